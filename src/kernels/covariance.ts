import type { Matrix } from "../tensor/matrix.js";

/** Tokens whose products are summed in float32 before they are added to the float64 sums. */
const runTokens = 64;

/**
 * Adds `leftᵀ · right` to `sums`: `sums[i, j] += Σ_t left[t, i] · right[t, j]`. Runs of 64 tokens are summed in float32, each
 * product rounded and added in token order, a run's sum is added in float64. The reference of the native kernel.
 *
 * @param left `[tokens, I]`.
 * @param right `[tokens, J]`.
 * @param sums `[I, J]`.
 */
export function addCovariance(left: Matrix, right: Matrix, sums: Float64Array): void {
  const run = new Float32Array(right.columns);
  for (let first = 0; first < left.rows; first += runTokens) {
    const last = Math.min(first + runTokens, left.rows);
    for (let i = 0; i < left.columns; i++) {
      run.fill(0);
      for (let token = first; token < last; token++) {
        const x = left.data[token * left.columns + i];
        const y = token * right.columns;
        for (let j = 0; j < run.length; j++) run[j] += Math.fround(x * right.data[y + j]);
      }
      for (let j = 0; j < run.length; j++) sums[i * run.length + j] += run[j];
    }
  }
}
