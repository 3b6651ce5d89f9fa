import type { MetricScore, PairedComparison } from "./metric.js";

/** A task's result, of one model. */
export interface TaskScore {
  /** `glue:sst2`, `arc-easy`. */
  readonly task: string;
  /** The lm-evaluation-harness task whose prompts it has; null if none. */
  readonly harness: { readonly task: string; readonly version: string } | null;
  readonly metrics: readonly MetricScore[];
  /** Examples scored, and those that the data has: fewer are scored under a limit. */
  readonly examples: number;
  readonly available: number;
  /** Solved examples shown before each. */
  readonly shots: number;
  /** Examples cut to the model's context. */
  readonly truncated: number;
  readonly data: { readonly name: string; readonly split: string | null; readonly sha256: string };
  /** Tokens that the model computed in these seconds: none for answers that were kept. */
  readonly tokens: number;
  readonly seconds: number;
  /** With the checkpoint's own score on the same examples; null for that itself, or where there is none. */
  readonly comparison: PairedComparison | null;
}
