import type { TaskScore } from "../evaluation/score.js";
import type { PerplexityResult } from "../pipeline/evaluate.js";
import type { Engine } from "../pipeline/open-model.js";

/** A score of the checkpoint, of the run's dequantized weights, or of a pack on the LUT engine. */
export type Score = (PerplexityResult | TaskScore) & {
  readonly of: "checkpoint" | "run";
  readonly engine: Engine;
  /** The pack's; null in float arithmetic. */
  readonly target: string | null;
};
