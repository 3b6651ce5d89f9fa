import { integers } from "../targets/random-weights.js";

/** Mean products of correlated samples. */
export function covariance(size: number, samples: number, seed: number): Float64Array {
  const next = integers(seed);
  const sums = new Float64Array(size * size);
  for (let sample = 0; sample < samples; sample++) {
    const common = next(1000) / 500 - 1;
    const x = Float64Array.from({ length: size }, () => common + next(1000) / 500 - 1);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) sums[i * size + j] += (x[i] * x[j]) / samples;
  }
  return sums;
}

/** By Gauss and Jordan, with pivoting. */
export function inverted(matrix: Float64Array, size: number): Float64Array {
  const rows = Array.from({ length: size }, (_, i) => [
    ...matrix.subarray(i * size, (i + 1) * size),
    ...Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)),
  ]);
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let k = i; k < size; k++) if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    rows[i] = rows[i].map((value) => value / rows[i][i]);
    for (let k = 0; k < size; k++) {
      if (k === i) continue;
      const factor = rows[k][i];
      rows[k] = rows[k].map((value, j) => value - factor * rows[i][j]);
    }
  }
  return Float64Array.from(rows.flatMap((row) => row.slice(size)));
}
