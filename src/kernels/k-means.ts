import type { Matrix } from "../tensor/matrix.js";
import { checkFit, fitCentroids, mostRounds } from "./fit-centroids.js";

export interface KMeansTask {
  /** v: consecutive columns of a position, 1 to 8; P = K / v. */
  readonly vector: number;
  /** 1 to 256. */
  readonly centroids: number;
  readonly seed: number;
  /** Starts, of which the one of least squared error counts; 1 if not given. */
  readonly restarts?: number;
}

/**
 * A codebook for every position, by k-means of its points. A point belongs to the centroid that hardware's search finds
 * (`nearestCentroids`: Chebyshev distance in float32), a centroid is the mean of its points. The reference of the native
 * kernel; random numbers come from the seed and the position.
 *
 * @param points `[tokens, K]`, finite, one token at least.
 * @returns `[P, centroids, v]`.
 * @throws RangeError when the task does not fit the points.
 */
export function kMeans(points: Matrix, task: KMeansTask): Float32Array {
  checkKMeans(points, task);
  const { vector, centroids, seed, restarts = 1 } = task;
  const positions = points.columns / vector;
  const codebooks = new Float32Array(positions * centroids * vector);
  for (let position = 0; position < positions; position++) {
    const found = fitCentroids(pointsOf(points, position, vector), {
      ...{ vector, centroids, restarts, rounds: mostRounds },
      nearness: "chebyshev",
      keys: [seed, position],
    });
    codebooks.set(found.centroids, position * centroids * vector);
  }
  return codebooks;
}

/** @throws RangeError when the task does not fit the points. */
export function checkKMeans(
  { rows, columns }: Matrix,
  { vector, centroids, restarts = 1 }: KMeansTask,
): void {
  if (rows < 1) throw new RangeError("k-means of no points");
  checkFit(columns, { vector, centroids, restarts });
}

/** `[tokens, v]`. */
function pointsOf({ rows, columns, data }: Matrix, position: number, vector: number): Float32Array {
  const points = new Float32Array(rows * vector);
  for (let token = 0; token < rows; token++) {
    const from = token * columns + position * vector;
    points.set(data.subarray(from, from + vector), token * vector);
  }
  return points;
}
