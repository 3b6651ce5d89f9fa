import type { WritableArchitecture } from "../architecture.js";
import { llama } from "./llama.js";

/**
 * BitNet b1.58 as transformers has it (arXiv 2504.12285 §2): a Llama with a norm before the output projection of attention
 * and one before the down projection (`subln`), gated by a squared ReLU. llama.ts reads both from the configuration. A
 * type of its own, so that what takes Llamas does not take it for one.
 */
export const bitnet: WritableArchitecture = {
  ...llama,
  name: "bitnet",
  modelTypes: ["bitnet"],
  kinds: ["causal"],
};
