import type { TaskScore } from "../evaluation/score.js";
import type { Score } from "./score.js";

/* The result keys of lm-evaluation-harness (`EvaluationTracker.save_results_aggregated`), for tools that read them. */

/** By the harness's name of a task. Tasks that the harness has not are left out. */
export interface HarnessResults {
  /** `alias`; each metric with its filter, `acc,none`, and its standard error, `acc_stderr,none`. */
  readonly results: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly versions: Readonly<Record<string, number | string>>;
  readonly "n-shot": Readonly<Record<string, number>>;
  readonly higher_is_better: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly "n-samples": Readonly<Record<string, { readonly original: number; readonly effective: number }>>;
}

/** Of what is shipped: of each task the first pack's score, or that of the quantized weights where there is no pack. */
export function harnessResults(scores: readonly Score[]): HarnessResults {
  const shipped = shippedScores(scores);
  const byTask = <T>(of: (score: TaskScore, harness: NonNullable<TaskScore["harness"]>) => T) =>
    Object.fromEntries(
      shipped.flatMap((score) =>
        score.harness ? [[score.harness.task, of(score, score.harness)] as const] : [],
      ),
    );
  return {
    results: byTask(({ metrics }, { task }) => ({
      alias: task,
      ...Object.fromEntries(metrics.flatMap(keysOf)),
    })),
    versions: byTask((_, { version }) => (Number.isFinite(Number(version)) ? Number(version) : version)),
    "n-shot": byTask(({ shots }) => shots),
    higher_is_better: byTask(({ metrics }) =>
      Object.fromEntries(metrics.map(({ name, higherIsBetter }) => [name, higherIsBetter])),
    ),
    "n-samples": byTask(({ available, examples }) => ({ original: available, effective: examples })),
  };
}

function keysOf({ name, value, standardError }: TaskScore["metrics"][number]) {
  return [
    [`${name},none`, value],
    [`${name}_stderr,none`, standardError ?? "N/A"],
  ] as const;
}

function shippedScores(scores: readonly Score[]): readonly TaskScore[] {
  const byTask = new Map<string, TaskScore & Score>();
  for (const score of scores) {
    if ("perplexity" in score || score.of === "checkpoint") continue;
    const before = byTask.get(score.task);
    if (before === undefined || (before.target === null && score.target !== null))
      byTask.set(score.task, score);
  }
  return [...byTask.values()];
}
