import type { CompensatedVectors } from "../kernels/compensated-vectors.js";
import { dampedDiagonal, usualDamping } from "../kernels/damping.js";
import type { Kernels } from "../kernels/kernels.js";
import type { InputMoments } from "./input-moments.js";
import type { StackedLinears } from "./stacked-linears.js";

export interface Clustering {
  readonly vector: number;
  readonly centroids: number;
  readonly seed: number;
  /** Whether the error of each position is made up for by the later ones. */
  readonly compensation: boolean;
}

/** Starts of k-means for each codebook: between one and several lies more than between several and many. */
const restarts = 8;

/**
 * Ids and codebooks of weights `[N, K]`. Positions are gone through by falling second moment of their inputs, GPTQ's
 * activation order: those that matter most are clustered before they carry the errors of others.
 */
export async function clusterWeights(
  weights: Float32Array,
  { rows, columns, blockOfRow, blocks }: StackedLinears,
  { second }: InputMoments,
  { vector, centroids, seed, compensation }: Clustering,
  kernels: Kernels,
): Promise<CompensatedVectors> {
  const order = positionsByMoment(second, columns, vector);
  const columnOrder = order.flatMap((position) =>
    Array.from({ length: vector }, (_, i) => position * vector + i),
  );
  const ordered = new Float32Array(weights.length);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < columns; at++)
      ordered[row * columns + at] = weights[row * columns + columnOrder[at]];
  }
  const moments = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++)
      moments[i * columns + j] = second[columnOrder[i] * columns + columnOrder[j]];
  }
  const found = await kernels.compensatedVectors(ordered, columns, {
    ...{ vector, centroids, blockOfRow, blocks, seed, restarts },
    metric: compensation
      ? { factor: (await kernels.inverseFactor(moments, columns, usualDamping)).factor }
      : { moments: momentsWithin(moments, columns, vector) },
  });
  return { ids: inPlace(found.ids, order), codebooks: inPlace(found.codebooks, order) };
}

/** Positions by falling second moment of their inputs, the first of equals first. */
function positionsByMoment(second: Float64Array, columns: number, vector: number): readonly number[] {
  const moments = Array.from({ length: columns / vector }, (_, position) => {
    let sum = 0;
    for (let i = position * vector; i < (position + 1) * vector; i++) sum += second[i * columns + i];
    return sum;
  });
  return [...moments.keys()].sort((a, b) => moments[b] - moments[a] || a - b);
}

/** The second moments within each position, damped: `[P, v, v]`. */
function momentsWithin(second: Float64Array, columns: number, vector: number): Float64Array {
  const diagonal = dampedDiagonal(second, columns, usualDamping);
  const out = new Float64Array(columns * vector);
  for (let i = 0; i < columns; i++) {
    const first = i - (i % vector);
    for (let j = 0; j < vector; j++)
      out[i * vector + j] = i === first + j ? diagonal[i] : second[i * columns + first + j];
  }
  return out;
}

/** Values that lie position by position in `order`, put in their places. */
function inPlace<Values extends Uint8Array | Float32Array>(values: Values, order: readonly number[]): Values {
  const size = values.length / order.length;
  const out = values.slice() as Values;
  for (const [at, position] of order.entries())
    out.set(values.subarray(at * size, (at + 1) * size), position * size);
  return out;
}
