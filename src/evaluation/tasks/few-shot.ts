import { LuthierError } from "../../error.js";
import type { Row } from "../task.js";

/** What stands between a prompt and its answer: lm-evaluation-harness's `target_delimiter`. */
export const answerDelimiter = " ";

/**
 * Solved examples one after another, each with the blank line after it that lm-evaluation-harness puts there.
 *
 * @param solve a row's prompt and answer; null for a row without gold label.
 * @throws LuthierError for a row without gold label.
 */
export function solvedExamples(shots: readonly Row[], solve: (row: Row) => string | null): string {
  return shots
    .map((shot) => {
      const solved = solve(shot);
      if (solved !== null) return `${solved}\n\n`;
      throw new LuthierError(
        "a row that is to be shown as a solved example has no gold label",
        "Take solved examples from a split with labels, such as train or validation.",
      );
    })
    .join("");
}
