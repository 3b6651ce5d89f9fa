import { z } from "zod";
import type { Transform } from "./transform.js";

/**
 * Leaves norms without weights, for hardware that has one vector of them: the weights of the norms of blocks go into the
 * linears behind them, exactly. Norms of queries and keys (Qwen3) go too: in their place each head has a constant, fitted
 * to calibration text. The model is a Llama then; it computes nearly, not exactly, the same.
 */
export const foldNorms: Transform = {
  name: "fold-norms",
  options: z.strictObject({}),
  summary:
    "weights of norms into the linears behind them, norms of queries and keys as constants: for `fidelity: kernel`",
  source:
    "made for LUT-LLM's kernel (arXiv 2511.06174), which shares one vector among all norms and has none of heads",
  needsText: true,
};

/** Whether the transforms of a plan or recipe leave norms without weights. */
export function foldsNorms({
  transforms,
}: {
  readonly transforms: readonly { readonly transform: string }[];
}): boolean {
  return transforms.some(({ transform }) => transform === foldNorms.name);
}
