import type { Matrix } from "../tensor/matrix.js";

/** Tokens whose products are summed in float32 before they go to the float64 sums. */
const run = 64;

/**
 * Adds `Σ_t left[t, i] · right[t, j]` to `sums[i, j]`: second moments of a linear's inputs, or of its inputs and what its
 * outputs lack. The reference of the native kernel.
 *
 * In runs of 64 tokens each product is rounded to float32 and added in float32, in the order of the tokens; the run's sum
 * is added in float64. Of a matrix with itself only `sums` at j ≥ i are computed, the rest mirrors them.
 *
 * @param left `[tokens, K1]`.
 * @param right `[tokens, K2]`.
 * @param sums `[K1, K2]`; symmetric when `left` and `right` are one matrix.
 */
export function addCovariance(left: Matrix, right: Matrix, sums: Float64Array): void {
  const { rows: tokens, columns: height } = left;
  const width = right.columns;
  const mirrored = left.data === right.data;
  const products = new Float32Array(width);
  for (let from = 0; from < tokens; from += run) {
    const to = Math.min(tokens, from + run);
    for (let i = 0; i < height; i++) {
      const first = mirrored ? i : 0;
      products.fill(0);
      for (let token = from; token < to; token++) {
        const factor = left.data[token * height + i];
        for (let j = first; j < width; j++)
          products[j] += Math.fround(factor * right.data[token * width + j]);
      }
      for (let j = first; j < width; j++) sums[i * width + j] += products[j];
    }
  }
  if (mirrored) mirror(sums, width);
}

/** @throws RangeError when the arrays do not fit one another. */
export function checkCovariance(left: Matrix, right: Matrix, sums: Float64Array): void {
  if (left.rows !== right.rows)
    throw new RangeError(`${left.rows} tokens cannot meet ${right.rows} of another matrix`);
  if (sums.length !== left.columns * right.columns)
    throw new RangeError(`${left.columns} × ${right.columns} sums cannot be kept in ${sums.length} values`);
  if (left.data === right.data && left.columns !== right.columns)
    throw new RangeError("one array is two matrices of different shapes");
}

/** Copies the upper triangle into the lower one. */
function mirror(values: Float64Array, size: number): void {
  for (let i = 1; i < size; i++) for (let j = 0; j < i; j++) values[i * size + j] = values[j * size + i];
}
