/** Columns to round, each to its own row's levels, and what hands their errors on. */
export interface CompensatedCodesTask {
  /** K, of all columns, in the order in which they are gone through. */
  readonly columns: number;
  /** The columns to round: `first` and those before `last`. */
  readonly first: number;
  readonly last: number;
  /** U `[K, K]` of `inverseFactor`. */
  readonly factor: Float64Array;
  /** L: levels of a row, 1 to 256. */
  readonly levels: number;
  /** `[T, L, N]`, finite, rising with L. */
  readonly tables: Float32Array;
  /** `[last − first]`: the table of each of these columns. */
  readonly tableOf: Int32Array;
}

/**
 * GPTQ's loop (Frantar et al., arXiv 2210.17323, algorithm 1) over some columns: each weight of column j takes its row's
 * nearest level q, in the middle of two the upper one, and the error `e = (w − q) / U_jj` goes to all columns after it:
 * `w_k −= e · U_jk`. Of equal levels a weight takes the last.
 *
 * Float64 throughout; a weight takes the errors in the order of their columns. The reference of the native kernel, which
 * hands the errors of 128 columns to those after them at once: the same sums in the same order.
 *
 * @param rest `[K, N]`: weights as they are by now. Changed in place: a rounded column is left as it was at its turn.
 * @returns indices of levels, `[last − first, N]`.
 */
export function compensatedCodes(rest: Float64Array, task: CompensatedCodesTask): Uint8Array {
  const { columns, first, last, factor, levels, tables, tableOf } = task;
  const rows = rest.length / columns;
  const codes = new Uint8Array((last - first) * rows);
  const errors = new Float64Array(rows);
  for (let column = first; column < last; column++) {
    const table = tables.subarray(
      tableOf[column - first] * levels * rows,
      (tableOf[column - first] + 1) * levels * rows,
    );
    for (let row = 0; row < rows; row++) {
      const weight = rest[column * rows + row];
      const code = nearestLevel(weight, table, row, rows);
      codes[(column - first) * rows + row] = code;
      errors[row] = (weight - table[code * rows + row]) / factor[column * columns + column];
    }
    for (let later = column + 1; later < columns; later++) {
      const share = factor[column * columns + later];
      for (let row = 0; row < rows; row++) rest[later * rows + row] -= share * errors[row];
    }
  }
  return codes;
}

/** How many middles between a row's neighbouring levels, of `[L, N]`, a weight reaches. */
function nearestLevel(weight: number, table: Float32Array, row: number, rows: number): number {
  let low = 0;
  let high = table.length / rows - 1;
  while (low < high) {
    const at = (low + high) >> 1;
    const middle = (table[at * rows + row] + table[(at + 1) * rows + row]) * 0.5;
    if (weight >= middle) low = at + 1;
    else high = at;
  }
  return low;
}

/** @throws RangeError when the arrays do not fit one another, or levels do not rise. */
export function checkCompensatedCodes(rest: Float64Array, task: CompensatedCodesTask): void {
  const { columns, first, last, factor, levels, tables, tableOf } = task;
  const rows = rest.length / columns;
  if (!Number.isSafeInteger(rows) || factor.length !== columns ** 2)
    throw new RangeError(
      `${rest.length} weights and a factor of ${factor.length} values for ${columns} columns`,
    );
  if (!(first >= 0 && first <= last && last <= columns) || tableOf.length !== last - first)
    throw new RangeError(
      `tables for ${tableOf.length} of the columns from ${first} to ${last} of ${columns}`,
    );
  if (!(levels >= 1 && levels <= 256)) throw new RangeError(`${levels} levels of a row`);
  const size = levels * rows;
  if (tables.length % size !== 0 || tableOf.some((table) => table < 0 || (table + 1) * size > tables.length))
    throw new RangeError(`${tables.length} levels are no tables of ${levels} for ${rows} rows`);
  for (let table = 0; table < tables.length; table += size) {
    for (let at = table + rows; at < table + size; at++)
      if (!(tables[at - rows] <= tables[at])) throw new RangeError("the levels of a row do not rise");
  }
  if (!tables.every(Number.isFinite)) throw new RangeError("a level is not finite");
}
