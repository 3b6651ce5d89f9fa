/**
 * The rows of a column in ascending order of their numbers, equal ones as they come. It is kept as long as the column, whose
 * numbers must not change: every resample asks for it again.
 */
export function ascendingRows(column: Float64Array): Uint32Array {
  const known = kept.get(column);
  if (known !== undefined) return known;
  const rows = Uint32Array.from(column, (_, row) => row).sort((a, b) => column[a] - column[b] || a - b);
  kept.set(column, rows);
  return rows;
}

const kept = new WeakMap<Float64Array, Uint32Array>();
