import { LuthierError } from "../error.js";

/** Why a recipe does not fit a model. */
export interface Problem {
  /** The linear that does not fit, or what else. */
  readonly linear: string;
  readonly reason: string;
  readonly fix: string;
}

/** The way out for whatever needs a calibration text. */
export const addCalibration =
  "add `calibration: { dataset: wikitext2 }` or `calibration: { text: <file> }` to the recipe";

/** One line a reason, with all linears that share it. */
export function refusal(problems: readonly Problem[]): LuthierError {
  const byReason = new Map<string, Problem[]>();
  for (const problem of problems) {
    const same = byReason.get(problem.reason + problem.fix) ?? [];
    byReason.set(problem.reason + problem.fix, [...same, problem]);
  }
  const lines = [...byReason.values()].map((same) => {
    const shown = same.slice(0, 3).map(({ linear }) => linear);
    const rest = same.length > shown.length ? ` and ${same.length - shown.length} more` : "";
    return `${shown.join(", ")}${rest}: ${same[0].reason} — ${same[0].fix}`;
  });
  return new LuthierError(
    `the recipe does not fit this model:\n${lines.map((line) => `  ${line}`).join("\n")}`,
    "mend the recipe as said above; `--dry-run` shows the plan without doing any work",
    { usage: true },
  );
}
