import { z } from "zod";

/** The order in which error compensation goes through columns. */
export const columnOrder = z
  .enum(["none", "groups", "static"])
  .default("groups")
  .describe(
    "columns in their order; `groups`: those with large inputs first, group after group; `static`: all by their inputs, groups fitted in advance",
  );
export type ColumnOrder = z.infer<typeof columnOrder>;

/**
 * The columns in the order in which they are gone through: those whose inputs are large before they carry the errors of
 * others (GPTQ's activation order).
 *
 * `groups` keeps groups whole: these by their sum of second moments, and so the columns within each (group-aware
 * reordering, Gafni et al., arXiv 2505.14638), so that a group's levels are fitted when its turn comes and no column needs
 * to say where it belongs. `static` takes every column by itself. Of equals the first comes first.
 *
 * @param diagonal `[K]`: each input's second moment.
 */
export function orderOfColumns(diagonal: Float64Array, group: number, order: ColumnOrder): Int32Array {
  const columns = Int32Array.from(diagonal.keys());
  if (order === "none") return columns;
  const sums = new Float64Array(diagonal.length / group);
  for (const [column, moment] of diagonal.entries()) sums[Math.floor(column / group)] += moment;
  return columns.sort((a, b) => {
    const [groupOfA, groupOfB] = [Math.floor(a / group), Math.floor(b / group)];
    if (order === "groups" && groupOfA !== groupOfB)
      return sums[groupOfB] - sums[groupOfA] || groupOfA - groupOfB;
    return diagonal[b] - diagonal[a] || a - b;
  });
}
