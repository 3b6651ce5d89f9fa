import type { Matrix } from "../tensor/matrix.js";

/** Over all tokens so far, for each head: sums of its RMS r and of r². */
export interface HeadSums {
  readonly roots: Float64Array;
  readonly squares: Float64Array;
}

export function noHeads(heads: number): HeadSums {
  return { roots: new Float64Array(heads), squares: new Float64Array(heads) };
}

/** Adds the RMS of every head of `[tokens, heads · headSize]`, in float64, in the order of the tokens. */
export function addHeads({ rows, columns, data }: Matrix, epsilon: number, sums: HeadSums): void {
  const heads = sums.roots.length;
  const headSize = columns / heads;
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      const first = row * columns + head * headSize;
      let square = 0;
      for (let i = 0; i < headSize; i++) square += data[first + i] ** 2;
      const mean = square / headSize + epsilon;
      sums.roots[head] += Math.sqrt(mean);
      sums.squares[head] += mean;
    }
  }
}

/**
 * The constant c that stands for 1 / r: c · x is nearest to the normed heads x / r by least squares over the tokens, so
 * `c = Σr / Σr²`.
 */
export function scalesOf({ roots, squares }: HeadSums): Float32Array {
  return Float32Array.from(roots, (root, head) => root / squares[head]);
}
