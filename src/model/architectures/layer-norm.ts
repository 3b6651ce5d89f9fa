import type { Matrix } from "../../tensor/matrix.js";
import type { ComputingContext } from "../architecture.js";

/** A layer norm `<name>` with its weight and bias, read once. */
export async function layerNorm(
  name: string,
  epsilon: number,
  { ops, vector }: Pick<ComputingContext, "ops" | "vector">,
): Promise<(x: Matrix) => Promise<Matrix>> {
  const [weight, bias] = [await vector(`${name}.weight`), await vector(`${name}.bias`)];
  return (x) => ops.layerNorm(x, weight, bias, epsilon);
}
