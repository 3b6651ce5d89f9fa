import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { integers } from "../targets/random-weights.js";

/** Values of a bell around 0, repeatable. */
export function bellShaped(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed + 1);
  const uniform = () => (next(2 ** 24) + 0.5) / 2 ** 24;
  const value = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return matrix(rows, columns, Float32Array.from({ length: rows * columns }, value));
}

/** `a [M, K] · bᵀ [N, K]` in float64, `[M, N]`. */
export function timesTransposed(a: Matrix, b: Matrix): Matrix {
  const out = matrix(a.rows, b.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) sum += a.data[i * a.columns + k] * b.data[j * b.columns + k];
      out.data[i * b.rows + j] = sum;
    }
  }
  return out;
}

/** Columns that have something in common: each value is bell-shaped, and a half of it the same along a row. */
export function correlated(rows: number, columns: number, seed: number): Matrix {
  const own = bellShaped(rows, columns, seed);
  const common = bellShaped(rows, 3, seed + 1000);
  return matrix(
    rows,
    columns,
    own.data.map((value, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      return value + 1.5 * common.data[row * 3 + (column % 3)];
    }),
  );
}

export function squaredDistance(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
}
