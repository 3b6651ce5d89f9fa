import path from "node:path";
import { LuthierError } from "../error.js";
import type { Estimate } from "../pipeline/estimate-linears.js";
import { contentsOf } from "../pipeline/input-files.js";
import { readRunRecord } from "../pipeline/run-directory.js";
import { defaultEstimates } from "./default-estimates.js";
import { type Measure, type Measured, measuresOf } from "./measures.js";
import { earlierScores } from "./report-file.js";
import { type RunSummary, summarizeRun } from "./summary.js";

/** Runs side by side, in plain data. */
export interface Comparison {
  readonly runs: readonly ComparedRun[];
  readonly scores: readonly ComparedScores[];
  /** What to know before comparing. */
  readonly notes: readonly string[];
}

export interface ComparedRun {
  /** The folder's name; its path where another has the same. */
  readonly name: string;
  readonly summary: RunSummary;
  /** Null without linears. */
  readonly meanRelativeError: number | null;
  readonly costs: readonly RunCost[];
}

/** One token by a target's cost model, on a shipped device. */
export interface RunCost {
  readonly target: string;
  readonly device: string;
  readonly cyclesPerToken: number;
  readonly secondsPerToken: number;
}

/** What runs reach by one metric on the same data, under the same convention. */
export interface ComparedScores extends Omit<Measure, "of"> {
  readonly rows: readonly ScoreRow[];
}

export interface ScoreRow {
  readonly of: "checkpoint, float" | "quantized, float arithmetic" | "pack, LUT engine";
  /** One a run, of several packs the first; null where a run was not scored so. */
  readonly scores: readonly (Measured | null)[];
}

/** @throws LuthierError when one is no run, or not whole; (usage) when there are fewer than two. */
export async function compareRuns(folders: readonly string[]): Promise<Comparison> {
  if (folders.length < 2) {
    throw new LuthierError(
      "one run has nothing to be compared with",
      "give the folders of two runs or more",
      {
        usage: true,
      },
    );
  }
  const names = folders.map((folder) => path.basename(path.resolve(folder)));
  const checkpoints: string[] = [];
  const runs: ComparedRun[] = [];
  for (const [at, folder] of folders.entries()) {
    const { inputs } = await readRunRecord(folder);
    checkpoints.push(contentsOf(inputs));
    const isOnly = names.indexOf(names[at]) === names.lastIndexOf(names[at]);
    const summary = await summarizeRun(folder, await earlierScores(folder));
    runs.push(comparedRun(isOnly ? names[at] : folder, summary, await defaultEstimates(folder)));
  }
  return comparison(runs, new Set(checkpoints).size);
}

export function comparedRun(name: string, summary: RunSummary, estimates: readonly Estimate[]): ComparedRun {
  const { linears } = summary;
  const sum = linears.reduce((total, { relativeError }) => total + relativeError, 0);
  const costs = estimates.flatMap(({ target, device, decode }) =>
    "refused" in decode
      ? []
      : { target, device: device.name, cyclesPerToken: decode.cycles, secondsPerToken: decode.seconds },
  );
  return { name, summary, meanRelativeError: linears.length === 0 ? null : sum / linears.length, costs };
}

/** @param checkpoints how many different ones the runs were made from. */
export function comparison(runs: readonly ComparedRun[], checkpoints: number): Comparison {
  const unscored = runs.filter(({ summary }) => summary.scores.length === 0).map(({ name }) => name);
  return {
    runs,
    scores: scoresOf(runs),
    notes: [
      ...(checkpoints > 1
        ? [`The runs are of ${checkpoints} different checkpoints: their scores differ by these too.`]
        : []),
      ...(unscored.length > 0
        ? [`Without scores: ${unscored.join(", ")}. A recipe's \`evaluate\` makes some.`]
        : []),
    ],
  };
}

function scoresOf(runs: readonly ComparedRun[]): readonly ComparedScores[] {
  const found = new Map<string, { measure: Omit<Measure, "of">; of: (readonly Measured[])[] }>();
  for (const [at, { summary }] of runs.entries()) {
    for (const { of, ...measure } of measuresOf(summary.scores)) {
      const key = JSON.stringify({ ...measure, data: measure.data.sha256 });
      const all = found.get(key) ?? { measure, of: runs.map(() => []) };
      all.of[at] = of;
      found.set(key, all);
    }
  }
  return [...found.values()].map(({ measure, of }) => ({ ...measure, rows: rowsOf(of) }));
}

function rowsOf(ofRuns: readonly (readonly Measured[])[]): readonly ScoreRow[] {
  const row = (of: ScoreRow["of"], isSo: (each: Measured) => boolean): ScoreRow => ({
    of,
    scores: ofRuns.map((measured) => measured.find(isSo) ?? null),
  });
  return [
    row("checkpoint, float", ({ isCheckpoint }) => isCheckpoint),
    row("quantized, float arithmetic", ({ isCheckpoint, target }) => !isCheckpoint && target === null),
    row("pack, LUT engine", ({ target }) => target !== null),
  ].filter(({ scores }) => scores.some((score) => score !== null));
}

/** What of a run is shipped, by a metric: its pack, or its weights where it has none; null where it was not scored. */
export function shippedScore({ rows }: ComparedScores, run: number): Measured | null {
  const of = (what: ScoreRow["of"]) => rows.find((row) => row.of === what)?.scores[run] ?? null;
  return of("pack, LUT engine") ?? of("quantized, float arithmetic");
}
