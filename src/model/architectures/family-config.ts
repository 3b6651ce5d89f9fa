import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Activation } from "../graphs.js";

/** @throws LuthierError naming the first key that does not fit the family. */
export function parseFamilyConfig<Schema extends z.ZodType>(
  schema: Schema,
  config: Readonly<Record<string, unknown>>,
  family: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LuthierError(
    `config.json: ${issue.path.join(".") || "the configuration"}: ${issue.message}`,
    `check that config.json is that of a ${family} checkpoint`,
  );
}

/** How many blocks a model may have: the names of their tensors are made before any is looked up. */
export const blockCount = z.int().positive().max(10_000);

/** @throws LuthierError for a hidden size that is no multiple of the heads. */
export function dividedByHeads(hiddenSize: number, heads: number): void {
  if (hiddenSize % heads === 0) return;
  throw new LuthierError(
    `config.json: a hidden size of ${hiddenSize} is no multiple of ${heads} heads`,
    "check the hidden size and the number of attention heads",
  );
}

/** transformers' names of activations (`ACT2FN`). */
const activations: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_fast: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  relu: "relu",
  silu: "silu",
  swish: "silu",
};

/** @throws LuthierError for an activation that cannot be computed. */
export function namedActivation(name: string): Activation {
  if (Object.hasOwn(activations, name)) return activations[name];
  throw new LuthierError(
    `config.json: the activation '${name}' cannot be computed; known are ${Object.keys(activations).join(", ")}`,
    "use a checkpoint with one of those",
  );
}
