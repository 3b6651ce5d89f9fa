import { isDeepStrictEqual } from "node:util";
import { LuthierError } from "../error.js";
import type { Row, Task } from "./task.js";

/**
 * The solved examples shown before a row: the first of `pool` that share with it what the task wants shared, never the row itself.
 *
 * @param pool rows of the task's `shotsSplit`, in order.
 * @throws LuthierError (usage) when the pool has too few.
 */
export function shotsBefore(task: Task, row: Row, pool: readonly Row[], count: number): readonly Row[] {
  const { shotsShare } = task.data;
  const shared = shotsShare?.(row);
  const shots: Row[] = [];
  for (const each of pool) {
    if (shots.length === count) break;
    if (shotsShare?.(each) === shared && !isDeepStrictEqual(each, row)) shots.push(each);
  }
  if (shots.length === count) return shots;
  throw new LuthierError(
    `${task.name} has ${shots.length} solved examples${shared === undefined ? "" : ` of ${shared}`} to show, not ${count}`,
    `Ask for ${shots.length} solved examples, or give a larger file of them.`,
    { usage: true },
  );
}
