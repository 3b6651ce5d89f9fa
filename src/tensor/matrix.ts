/**
 * A dense row-major float32 matrix: a linear's weight `[N, K]` (outputs × inputs) or a batch of
 * activations `[tokens, K]`.
 */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** `[rows, columns]`, row-major. */
  readonly data: Float32Array;
}

/** @throws RangeError when `data` does not hold rows × columns values. */
export function matrix(
  rows: number,
  columns: number,
  data: Float32Array = new Float32Array(rows * columns),
): Matrix {
  if (data.length !== rows * columns) {
    throw new RangeError(`a ${rows} × ${columns} matrix needs ${rows * columns} values, got ${data.length}`);
  }
  return { rows, columns, data };
}

/** The rows `first` (inclusive) to `last` (exclusive), sharing memory with `source`. */
export function rowsOf(source: Matrix, first: number, last: number): Matrix {
  const { columns, data } = source;
  return { rows: last - first, columns, data: data.subarray(first * columns, last * columns) };
}
