import type { Activation } from "./graphs.js";
import type { Rope } from "./rope.js";

/**
 * The weight-free operations that blocks are glued from, whatever flows through them: matrices when a model is computed
 * (ops.ts), names of values when its graph is written (decoder-graph.ts). So an architecture is described once.
 */
export interface BlockOps<Value, Vector> {
  /** `x / sqrt(mean(x²) + epsilon) · weight`, row by row. */
  rmsNorm(x: Value, weight: Vector, epsilon: number): Promise<Value>;
  /** `a + b`. */
  add(a: Value, b: Value): Promise<Value>;
  /** `[tokens, heads · headSize]`. */
  attention(input: AttentionInput<Value, Vector>): Promise<Value>;
  /** `activation(gate) · up`. */
  gatedActivation(gate: Value, up: Value, activation: Activation): Promise<Value>;
}

export interface AttentionInput<Value, Vector> {
  /** `[windows · length, heads · headSize]`, and with `keyValueHeads` for the other two. */
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Tokens of each window; positions count from 0 in every one. */
  readonly length: number;
  /** What scores are multiplied by; 1 / sqrt(headSize) unless said otherwise. */
  readonly scale?: number;
  /** Scores x are drawn into (−c, c) by `c · tanh(x / c)`, where this c is given. */
  readonly softcap?: number;
  /** Whether a token sees only itself and those before it, as it does unless said otherwise. */
  readonly causal?: boolean;
  /** How queries and keys are rotated by position; null where they are not. */
  readonly rope: Rope | null;
  /** RMS norms over each head before the rotation (Qwen3), `[headSize]` each. */
  readonly norms: { readonly query: Vector; readonly key: Vector; readonly epsilon: number } | null;
  /** A token sees itself and at most `window − 1` tokens before it; null sees all before it. For causal attention only. */
  readonly window: number | null;
}
