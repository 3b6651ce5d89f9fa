import fixture from "../fixtures/llama-variants.json" with { type: "json" };
import type { Shapes } from "./generated-checkpoint.js";

/** A small model of a Llama-like family, and what transformers computes for it (../fixtures/make_llama_variants.py). */
export interface LlamaVariant {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Shapes;
  readonly windows: readonly (readonly number[])[];
  /** Of the first window: whose logits are on record. */
  readonly positions: readonly number[];
  /** Those of each position. */
  readonly logits: readonly (readonly number[])[];
  /** Of each window. */
  readonly meanNegativeLogLikelihood: readonly number[];
}

export const llamaVariants: Readonly<Record<string, LlamaVariant>> = fixture.variants;
