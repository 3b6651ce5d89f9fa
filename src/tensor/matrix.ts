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

/** Sides of the squares that are transposed at once: one of both sides is walked at its stride. */
const square = 16;

/** `[rows, columns]` → `[columns, rows]`. */
export function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = matrix(columns, rows);
  for (let firstRow = 0; firstRow < rows; firstRow += square) {
    const lastRow = Math.min(firstRow + square, rows);
    for (let first = 0; first < columns; first += square) {
      const last = Math.min(first + square, columns);
      for (let column = first; column < last; column++) {
        for (let row = firstRow; row < lastRow; row++)
          out.data[column * rows + row] = data[row * columns + column];
      }
    }
  }
  return out;
}

/** Runs of `size` columns, which begin at `firsts`, side by side: `[rows, firsts · size]`. */
export function columnRuns({ rows, columns, data }: Matrix, firsts: readonly number[], size: number): Matrix {
  const out = matrix(rows, firsts.length * size);
  for (let row = 0, at = 0; row < rows; row++) {
    for (const first of firsts) {
      const from = row * columns + first;
      out.data.set(data.subarray(from, from + size), at);
      at += size;
    }
  }
  return out;
}
