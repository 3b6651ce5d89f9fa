import { LuthierError } from "../error.js";
import { damped } from "./damping.js";

/** Second moments `[K, K]` factored for error compensation. */
export interface InverseFactor {
  /** U `[K, K]`, row-major, zeros below the diagonal: `(H + λ·mean·I)⁻¹ = UᵀU`. */
  readonly factor: Float64Array;
  /** The λ that was needed. */
  readonly damping: number;
}

/** What a path computes; all in place, on square row-major matrices. */
export interface CholeskySteps {
  /**
   * `A = RᵀR`: the upper triangle of `a` becomes R's, what is below stays. False where a pivot is not positive and finite;
   * then `a` is spoilt.
   */
  factorize(a: Float64Array, size: number): Promise<boolean>;
  /** R⁻ᵀ, a lower triangle with zeros above. */
  invert(r: Float64Array, size: number): Promise<Float64Array>;
  /** Each row b of `right` becomes the x of `RᵀR x = b`. */
  solve(r: Float64Array, size: number, right: Float64Array): Promise<void>;
}

/** How much more damping each further attempt has. */
const raise = 0.01;

/** Attempts before the matrix is held to be no covariance at all. */
const attempts = 100;

/**
 * The upper Cholesky factor of the inverse, as GPTQ uses it (arXiv 2210.17323 §3.3, step 3): row i has what an error in
 * column i asks of the columns after it.
 *
 * The authors' code factors H, inverts it, and factors the inverse. Here H with its order reversed is factored once and the
 * factor inverted: `JHJ = RᵀR` gives `U = J R⁻ᵀ J`, the same matrix with a third of the work and no inverse in between.
 *
 * λ starts as `damping`, times the mean of the diagonal (damping.ts); where a pivot is not positive it is raised by 0.01 at
 * a time (as AngelSlim does).
 *
 * @param hessian `[K, K]`, symmetric; left as it is.
 * @throws LuthierError when no damping helps: values that are not finite, or no covariance.
 */
export async function inverseFactor(
  hessian: Float64Array,
  size: number,
  damping: number,
  steps: CholeskySteps,
): Promise<InverseFactor> {
  const { factor, damping: used } = await dampedFactor(hessian, size, damping, steps, true);
  const inverse = await steps.invert(factor, size);
  return { factor: inverse.reverse(), damping: used };
}

/**
 * Replaces B by the X of `X · (H + λ·mean·I) = B`: least squares from its normal equations, each row on its own. λ and
 * inputs that are always zero as with `inverseFactor`.
 *
 * @param hessian `[K, K]`, symmetric; left as it is.
 * @param right B, `[N, K]`.
 * @returns the λ that was needed.
 * @throws LuthierError when no damping helps: values that are not finite, or no covariance.
 */
export async function solveRight(
  hessian: Float64Array,
  size: number,
  damping: number,
  right: Float64Array,
  steps: CholeskySteps,
): Promise<number> {
  if (right.length % size !== 0) throw new RangeError(`${right.length} values are no rows of ${size}`);
  const { factor, damping: used } = await dampedFactor(hessian, size, damping, steps, false);
  await steps.solve(factor, size, right);
  return used;
}

/** R of `RᵀR = H + λ·mean·I`, its order reversed or not, with the first λ that works. */
async function dampedFactor(
  hessian: Float64Array,
  size: number,
  damping: number,
  steps: CholeskySteps,
  reversed: boolean,
): Promise<InverseFactor> {
  if (!Number.isSafeInteger(size) || size < 1 || hessian.length !== size * size)
    throw new RangeError(`${hessian.length} values are no ${size} × ${size} matrix`);
  if (!(damping >= 0)) throw new RangeError(`a damping of ${damping}`);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const used = damping + attempt * raise;
    const factor = damped(hessian, size, used);
    if (reversed) factor.reverse(); // of a symmetric matrix: rows and columns in reverse order
    if (await steps.factorize(factor, size)) return { factor, damping: used };
    if (attempt === 0 && !hessian.every(Number.isFinite)) break;
  }
  throw new LuthierError(
    `the second moments of ${size} inputs are no covariance: no damping makes them positive definite`,
    "check the checkpoint and the calibration data for values that are not finite",
  );
}

/** The reference of the native steps: each entry's products are subtracted one by one, in the order stated. */
export const referenceSteps: CholeskySteps = {
  async factorize(a, size) {
    for (let k = 0; k < size; k++) {
      const pivot = a[k * size + k];
      if (!(pivot > 0 && pivot < Number.POSITIVE_INFINITY)) return false;
      const root = Math.sqrt(pivot);
      for (let j = k; j < size; j++) a[k * size + j] = j === k ? root : a[k * size + j] / root;
      // An entry meets k = 0, 1, … in turn.
      for (let i = k + 1; i < size; i++) subtract(a, i * size, a[k * size + i], a, k * size, i, size);
    }
    return true;
  },

  async invert(r, size) {
    const inverse = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      inverse[i * size + i] = 1;
      for (let k = 0; k < i; k++) subtract(inverse, i * size, r[k * size + i], inverse, k * size, 0, k + 1);
      for (let j = 0; j <= i; j++) inverse[i * size + j] /= r[i * size + i];
    }
    return inverse;
  },

  async solve(r, size, right) {
    for (let at = 0; at < right.length; at += size) {
      for (let i = 0; i < size; i++) {
        for (let k = 0; k < i; k++) right[at + i] -= r[k * size + i] * right[at + k];
        right[at + i] /= r[i * size + i];
      }
      for (let i = size - 1; i >= 0; i--) {
        for (let k = size - 1; k > i; k--) right[at + i] -= r[i * size + k] * right[at + k];
        right[at + i] /= r[i * size + i];
      }
    }
  },
};

/** Takes `factor · from[j]` from `to[j]` for j from `first` to `last`. */
function subtract(
  to: Float64Array,
  toRow: number,
  factor: number,
  from: Float64Array,
  fromRow: number,
  first: number,
  last: number,
): void {
  for (let j = first; j < last; j++) to[toRow + j] -= factor * from[fromRow + j];
}
