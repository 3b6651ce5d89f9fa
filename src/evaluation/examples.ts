import type { Example, Form, Row, TaskData } from "./task.js";

/**
 * The examples of a task's rows, those without a right answer left out.
 * @param shotRows of the split that solved examples come from.
 * @param shots how many of them stand before each example: the first ones, of those that belong to it.
 */
export function examplesOf(
  form: Form,
  rows: readonly Row[],
  { shotsBy }: Pick<TaskData, "shotsBy">,
  shotRows: readonly Row[],
  shots: number,
): readonly Example[] {
  const solved = new Map<unknown, Row[]>();
  const groupOf = (row: Row) => (shotsBy === undefined ? null : row[shotsBy]);
  for (const row of shotRows) {
    const group = solved.get(groupOf(row)) ?? [];
    solved.set(groupOf(row), group);
    if (group.length < shots) group.push(row);
  }
  return rows.flatMap((row) => form.example(row, solved.get(groupOf(row)) ?? []) ?? []);
}
