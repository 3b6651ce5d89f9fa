import path from "node:path";
import type { HubOptions } from "../checkpoint/hub.js";
import { findTasks } from "../evaluation/tasks/registry.js";
import type { Kernels } from "../kernels/kernels.js";
import { type EvaluationChoice, isPerplexity } from "../recipe/schema.js";
import { textSourceOf } from "../recipe/text-source.js";
import { evaluatePerplexities, type PerplexityResult } from "./evaluate.js";
import { evaluateTask, type TaskResult } from "./evaluate-task.js";
import { packedTargets } from "./pack-files.js";
import type { OnProgress } from "./progress.js";
import { answersFolder } from "./run-directory.js";

export interface EvaluateRunOptions {
  readonly run: string;
  /** The checkpoint that the run was made from, to score beside it. */
  readonly model: string;
  readonly evaluations: readonly EvaluationChoice[];
  /** Where the evaluations' files are looked for: the recipe's folder. */
  readonly folder: string;
  readonly kernels: Kernels;
  readonly hub?: HubOptions;
  readonly onProgress?: OnProgress;
}

/** A result of the checkpoint or of the run. */
export type RunScore = (PerplexityResult | TaskResult) & { readonly of: "checkpoint" | "run" };

/**
 * Every evaluation of a recipe: of the checkpoint, of the quantized weights in float arithmetic, and of each pack, the latter
 * compared with the checkpoint.
 */
export async function evaluateRun(options: EvaluateRunOptions): Promise<readonly RunScore[]> {
  const { run, model, evaluations, folder, kernels, ...rest } = options;
  const packs = (await packedTargets(run)).map(
    (target) => ({ path: run, engine: "lut", target, kernels }) as const,
  );
  const subjects = [
    { path: model, engine: "float", kernels } as const,
    { path: run, engine: "float", kernels } as const,
    ...packs,
  ];
  const scores: RunScore[] = [];
  const add = (results: readonly (PerplexityResult | TaskResult)[]) => {
    for (const [at, result] of results.entries())
      scores.push({ of: at === 0 ? "checkpoint" : "run", ...result });
  };
  for (const evaluation of evaluations) {
    if (isPerplexity(evaluation)) {
      const text = textSourceOf(evaluation, folder);
      add(await evaluatePerplexities(subjects, { ...rest, text, context: evaluation.context }));
      continue;
    }
    const { task: name, data, shotsData, ...asked } = evaluation;
    const local = (file: string | undefined) => file && path.resolve(folder, file);
    for (const task of findTasks(name)) {
      const choice = { ...asked, task, data: local(data), shotsData: local(shotsData) };
      add(await evaluateTask({ ...rest, ...choice, subjects, keep: answersFolder(run) }));
    }
  }
  return scores;
}
