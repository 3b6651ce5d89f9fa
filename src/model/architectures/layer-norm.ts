import type { ModelContext } from "../architecture.js";

/** A layer norm `<name>` with its weight and bias, read once. */
export async function layerNorm<Value, Vector>(
  name: string,
  epsilon: number,
  { ops, vector }: Pick<ModelContext<Value, Vector>, "ops" | "vector">,
): Promise<(x: Value) => Promise<Value>> {
  const [weight, bias] = [await vector(`${name}.weight`), await vector(`${name}.bias`)];
  return (x) => ops.layerNorm(x, weight, bias, epsilon);
}
