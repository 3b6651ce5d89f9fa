/*
 * Systems with a symmetric positive definite matrix, float64. Every entry is a sum in ascending order of its index, so
 * blocked and threaded versions have the same bits. The reference of the native kernels.
 */

export interface InverseFactor {
  /** U, `[K, K]`, upper triangular: the inverse of the damped matrix is `UᵀU`. */
  readonly factor: Float64Array;
  /** The damping that was needed, as a share of the mean of the diagonal. */
  readonly damping: number;
}

/** How much the damping grows each time the matrix is not positive definite. */
const dampingStep = 0.01;
const mostDamping = 1;

/**
 * The factor by which GPTQ propagates errors (arXiv 2210.17323, eq. 4 and its code): of `H + damping · mean(diag H) · I`, the
 * upper Cholesky factor of the inverse. Where the matrix is not positive definite, damping grows by 0.01 until it is. Rows
 * that are zero (inputs that never were anything else) get 1 on the diagonal.
 *
 * @param hessian `[K, K]`, symmetric; left as it is.
 * @throws RangeError when no damping up to 1 helps: the matrix holds NaN or an infinity, or is far from a sum of squares.
 */
export function inverseFactor(hessian: Float64Array, size: number, damping: number): InverseFactor {
  let mean = 0;
  for (let i = 0; i < size; i++) mean += hessian[i * size + i] / size;
  for (let used = damping; used <= mostDamping; used += dampingStep) {
    const lower = factorOf(hessian, size, used * mean);
    if (lower === null) continue;
    // H⁻¹ = UᵀU with U upper: the reversed order of rows and columns turns it into a lower factor.
    return { factor: upperOfInverse(lower, size), damping: used };
  }
  throw new RangeError("the second moments of the inputs are not positive definite");
}

/** The lower Cholesky factor of `matrix + added · I`; null when a pivot is not positive. */
function factorOf(matrix: Float64Array, size: number, added: number): Float64Array | null {
  const lower = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column];
      if (row === column) sum = sum === 0 ? 1 : sum + added;
      for (let k = 0; k < column; k++) sum -= lower[row * size + k] * lower[column * size + k];
      if (row !== column) lower[row * size + column] = sum / lower[column * size + column];
      else if (sum > 0 && sum < Number.POSITIVE_INFINITY) lower[row * size + row] = Math.sqrt(sum);
      else return null;
    }
  }
  return lower;
}

/** U of `(L Lᵀ)⁻¹ = UᵀU`. */
function upperOfInverse(lower: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size); // L⁻¹, lower
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = row === column ? 1 : 0;
      for (let k = column; k < row; k++) sum -= lower[row * size + k] * inverse[k * size + column];
      inverse[row * size + column] = sum / lower[row * size + row];
    }
  }
  const whole = new Float64Array(size * size); // (L⁻¹)ᵀ L⁻¹
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = i; k < size; k++) sum += inverse[k * size + i] * inverse[k * size + j];
      whole[i * size + j] = sum;
      whole[j * size + i] = sum;
    }
  }
  const factor = factorOf(whole, size, 0);
  if (factor === null) throw new RangeError("the inverse is not positive definite");
  const upper = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) upper[j * size + i] = factor[i * size + j];
  return upper;
}

/**
 * Solves `X · A = B` for the rows of X.
 * @param matrix A, `[K, K]`, symmetric positive definite.
 * @param right B, `[N, K]`.
 * @returns X, `[N, K]`.
 * @throws RangeError when A is not positive definite.
 */
export function solveRight(matrix: Float64Array, right: Float64Array, size: number): Float64Array {
  const lower = factorOf(matrix, size, 0);
  if (lower === null) throw new RangeError("the matrix is not positive definite");
  const out = right.slice();
  for (let first = 0; first < out.length; first += size) {
    const x = out.subarray(first, first + size);
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) x[i] -= lower[i * size + k] * x[k];
      x[i] /= lower[i * size + i];
    }
    for (let i = size - 1; i >= 0; i--) {
      for (let k = i + 1; k < size; k++) x[i] -= lower[k * size + i] * x[k];
      x[i] /= lower[i * size + i];
    }
  }
  return out;
}
