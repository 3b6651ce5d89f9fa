import type { CompensatedVectors } from "../kernels/compensated-vectors.js";
import { damped, usualDamping } from "../kernels/damping.js";
import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { StackedLinears } from "./stacked-linears.js";

/** Times that every codebook is fitted. */
const sweeps = 2;

/** Columns whose gradients are computed at a time, from the errors as they are by then. */
const batchColumns = 64;

/**
 * Codebooks fitted to outputs while ids stay: given all other positions, the centroids of a position that bring the outputs
 * nearest to those of `aim` by least squares, `min Σ (aim − q) H (aim − q)ᵀ` (GPTVQ's codebook update, arXiv 2402.15319
 * §3.3, in closed form position by position). It never raises that error.
 *
 * @param aim `[N, K]`.
 * @param second H, `[K, K]`.
 * @returns `[P, blocks, c_w, v]`.
 */
export async function fitCodebooks(
  aim: Float32Array,
  stacked: StackedLinears,
  second: Float64Array,
  { ids, codebooks }: CompensatedVectors,
  vector: number,
  kernels: Kernels,
): Promise<Float32Array> {
  const { columns } = stacked;
  const fit: Fit = {
    ...{ stacked, second: damped(second, columns, usualDamping), ids, vector, kernels },
    codebooks: codebooks.slice(),
    errors: errorsOf(aim, stacked, ids, codebooks, vector),
  };
  const batch = batchColumns - (batchColumns % vector);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let first = 0; first < columns; first += batch)
      await fitBatch(fit, first, Math.min(first + batch, columns));
  }
  return fit.codebooks;
}

interface Fit {
  readonly stacked: StackedLinears;
  readonly second: Float64Array;
  readonly ids: Uint8Array;
  readonly vector: number;
  readonly kernels: Kernels;
  /** Changed in place, as are the errors. */
  readonly codebooks: Float32Array;
  /** `(aim − q)ᵀ`, `[K, N]`. */
  readonly errors: Matrix;
}

function errorsOf(
  aim: Float32Array,
  { rows, columns, blockOfRow, blocks }: StackedLinears,
  ids: Uint8Array,
  codebooks: Float32Array,
  vector: number,
): Matrix {
  const size = codebooks.length / ((columns / vector) * blocks);
  const errors = matrix(columns, rows);
  for (let column = 0; column < columns; column++) {
    const position = Math.floor(column / vector);
    for (let row = 0; row < rows; row++) {
      const codebook = (position * blocks + blockOfRow[row]) * size;
      const centroid = codebooks[codebook + ids[position * rows + row] * vector + (column % vector)];
      errors.data[column * rows + row] = aim[row * columns + column] - centroid;
    }
  }
  return errors;
}

/**
 * Columns `first` to `last`, whole positions, one after another; what each changes reaches the gradients of those after
 * it.
 */
async function fitBatch(fit: Fit, first: number, last: number): Promise<void> {
  const { vector, errors, second, stacked, kernels } = fit;
  const { rows, columns } = stacked;
  const moments = matrix(columns, last - first); // columns of H
  for (let i = 0; i < columns; i++) {
    for (let j = first; j < last; j++) moments.data[i * (last - first) + j - first] = second[i * columns + j];
  }
  const gradients = new Float64Array((last - first) * rows); // (E H)ᵀ
  await kernels.addCovariance(moments, errors, gradients);
  for (let column = first; column < last; column += vector) {
    const changes = await changesOf(fit, column, gradients.subarray((column - first) * rows));
    add(fit, column, changes);
    for (let later = column + vector; later < last; later++)
      subtract(
        fit,
        column,
        changes,
        later,
        gradients.subarray((later - first) * rows, (later - first + 1) * rows),
      );
  }
}

/**
 * How the centroids of the position at `column` change: `[blocks, c_w, v]`, the mean gradient of a centroid's rows
 * times H_pp⁻¹.
 */
async function changesOf(fit: Fit, column: number, gradients: Float64Array): Promise<Float64Array> {
  const { vector, second, ids, stacked, kernels } = fit;
  const { rows, columns, blocks, blockOfRow } = stacked;
  const centroids = centroidsOf(fit);
  const sums = new Float64Array(blocks * centroids * vector);
  const members = new Float64Array(blocks * centroids);
  const firstId = (column / vector) * rows;
  for (let row = 0; row < rows; row++) {
    const centroid = blockOfRow[row] * centroids + ids[firstId + row];
    members[centroid]++;
    for (let i = 0; i < vector; i++) sums[centroid * vector + i] += gradients[i * rows + row];
  }
  const means = sums.map((sum, at) => sum / (members[Math.floor(at / vector)] || 1));
  const own = Float64Array.from(
    { length: vector * vector },
    (_, at) => second[(column + Math.floor(at / vector)) * columns + column + (at % vector)],
  );
  await kernels.solveRight(own, vector, 0, means);
  return means;
}

/** Changes the codebooks of a position, and the errors by what that changes in float32. */
function add(fit: Fit, column: number, changes: Float64Array): void {
  const { vector, codebooks, errors, ids, stacked } = fit;
  const { rows, blockOfRow } = stacked;
  const first = (column / vector) * changes.length;
  for (let at = 0; at < changes.length; at++) {
    const before = codebooks[first + at];
    codebooks[first + at] += changes[at];
    changes[at] = codebooks[first + at] - before;
  }
  const centroids = centroidsOf(fit);
  const firstId = (column / vector) * rows;
  for (let row = 0; row < rows; row++) {
    const centroid = (blockOfRow[row] * centroids + ids[firstId + row]) * vector;
    for (let i = 0; i < vector; i++) errors.data[(column + i) * rows + row] -= changes[centroid + i];
  }
}

/** Takes what the changes of a position do to the gradient of a `later` column off it. */
function subtract(
  fit: Fit,
  column: number,
  changes: Float64Array,
  later: number,
  gradient: Float64Array,
): void {
  const { vector, second, ids, stacked } = fit;
  const { rows, columns, blockOfRow } = stacked;
  const centroids = centroidsOf(fit);
  const effects = new Float64Array(changes.length / vector);
  for (let at = 0; at < changes.length; at++)
    effects[Math.floor(at / vector)] += changes[at] * second[(column + (at % vector)) * columns + later];
  const firstId = (column / vector) * rows;
  for (let row = 0; row < rows; row++)
    gradient[row] -= effects[blockOfRow[row] * centroids + ids[firstId + row]];
}

function centroidsOf({ codebooks, stacked }: Fit): number {
  return codebooks.length / (stacked.columns * stacked.blocks);
}
