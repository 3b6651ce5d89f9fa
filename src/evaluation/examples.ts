import type { Example, Form, Row, TaskData } from "./task.js";

/**
 * The examples of a task's rows, those without a right answer left out.
 * @param shotRows of the split that solved examples come from.
 * @param shots how many of them stand before each example: the first ones, of those that belong to it.
 */
export function examplesOf(
  form: Form,
  rows: readonly Row[],
  { shotsShare = () => "" }: Pick<TaskData, "shotsShare">,
  shotRows: readonly Row[],
  shots: number,
): readonly Example[] {
  const solved = new Map<string, Row[]>();
  for (const row of shots > 0 ? shotRows : []) {
    const group = solved.get(shotsShare(row)) ?? [];
    solved.set(shotsShare(row), group);
    if (group.length < shots) group.push(row);
  }
  return rows.flatMap((row) => form.example(row, shots > 0 ? (solved.get(shotsShare(row)) ?? []) : []) ?? []);
}
