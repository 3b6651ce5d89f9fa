import { isDeepStrictEqual } from "node:util";
import { LuthierError } from "../error.js";
import type { Example, Form, Row, TaskData } from "./task.js";

/**
 * The examples of a task's rows, those without a right answer left out.
 *
 * @param shotRows of the split that solved examples come from.
 * @param shots how many of them stand before each example: the first of those that belong to it, never the row itself.
 * @throws LuthierError (usage) when a row has fewer.
 */
export function examplesOf(
  form: Form,
  rows: readonly Row[],
  { shotsShare = () => "" }: Pick<TaskData, "shotsShare">,
  shotRows: readonly Row[],
  shots: number,
): readonly Example[] {
  if (shots === 0) return rows.flatMap((row) => form.example(row, []) ?? []);
  const solved = new Map<string, Row[]>();
  for (const row of shotRows) {
    const group = solved.get(shotsShare(row)) ?? [];
    solved.set(shotsShare(row), group);
    if (group.length <= shots) group.push(row); // one more: the row itself may be among them
  }
  return rows.flatMap((row) => {
    const shared = shotsShare(row);
    const others = (solved.get(shared) ?? []).filter((shot) => !isDeepStrictEqual(shot, row));
    if (others.length < shots) throw tooFew(shots, others.length, shared);
    return form.example(row, others.slice(0, shots)) ?? [];
  });
}

function tooFew(wanted: number, found: number, shared: string): LuthierError {
  return new LuthierError(
    `${wanted} solved examples${shared === "" ? "" : ` of ${shared}`} are to be shown, and there are ${found}`,
    "Ask for fewer shots, or give a larger file of solved examples.",
    { usage: true },
  );
}
