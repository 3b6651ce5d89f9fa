import type { HubOptions } from "../checkpoint/hub.js";
import type { Kernels } from "../kernels/kernels.js";
import type { EvaluationChoice } from "../recipe/schema.js";
import { textSourceOf } from "../recipe/text-source.js";
import { evaluatePerplexity, type PerplexityResult } from "./evaluate.js";
import { packedTargets } from "./pack-files.js";
import type { OnProgress } from "./progress.js";

export interface EvaluateRunOptions {
  readonly run: string;
  /** The checkpoint that the run was made from, to score beside it. */
  readonly model: string;
  readonly evaluations: readonly EvaluationChoice[];
  /** Where the evaluations' text files are looked for: the recipe's folder. */
  readonly textFolder: string;
  readonly kernels: Kernels;
  readonly hub?: HubOptions;
  readonly onProgress?: OnProgress;
}

/** Every evaluation of a recipe: of the checkpoint, of the quantized weights in float arithmetic, and of each pack. */
export async function evaluateRun(
  options: EvaluateRunOptions,
): Promise<readonly (PerplexityResult & { readonly of: "checkpoint" | "run" })[]> {
  const { run, model, evaluations, textFolder, ...rest } = options;
  const subjects = [
    { of: "checkpoint", path: model, engine: "float" },
    { of: "run", path: run, engine: "float" },
    ...(await packedTargets(run)).map((target) => ({ of: "run", path: run, engine: "lut", target }) as const),
  ] as const;
  const scores = [];
  for (const evaluation of evaluations) {
    for (const { of, ...subject } of subjects) {
      const { context } = evaluation;
      const score = await evaluatePerplexity({
        ...rest,
        ...subject,
        text: textSourceOf(evaluation, textFolder),
        context,
      });
      scores.push({ of, ...score });
    }
  }
  return scores;
}
