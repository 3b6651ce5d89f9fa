import { randomNumbers } from "./random.js";

export interface CompensatedVectorsTask {
  /** v. */
  readonly vector: number;
  /** c_w, 2 to 256. */
  readonly centroids: number;
  /** `[N]`: the block of each row; rows of a block share codebooks. */
  readonly blockOfRow: Int32Array;
  readonly blocks: number;
  /**
   * U, `[K, K]`, as `inverseFactor` gives it: errors are propagated to later columns. Null: they are not, and `metric`
   * decides what is near.
   */
  readonly factor: Float64Array | null;
  /** `[P, v, v]`, symmetric positive definite; only without a factor. */
  readonly metric: Float64Array | null;
  readonly seed: number;
  /** Starts of k-means; the best of them counts. */
  readonly restarts: number;
}

export interface CompensatedVectors {
  /** `[P, N]`. */
  readonly ids: Uint8Array;
  /** `[P, blocks, c_w, v]`. */
  readonly codebooks: Float32Array;
}

/** Rounds of k-means at most; most settle sooner. */
export const mostRounds = 30;

/**
 * Vector quantization with the error of each position made up for by the later ones: GPTVQ (arXiv 2402.15319 §3), GPTQ's loop
 * with k-means for the grid. The reference of the native kernel.
 *
 * At position p the rows of a block are clustered as they stand then, near by the metric `(U_ppᵀ U_pp)⁻¹`: the error that is
 * left when all later columns have done their best. Float64; each later weight takes the corrections one after another.
 *
 * @param weight `[N, K]`.
 */
export function compensatedVectors(
  weight: Float32Array,
  columns: number,
  task: CompensatedVectorsTask,
): CompensatedVectors {
  const { vector, centroids, blockOfRow, blocks, factor, metric, seed, restarts } = task;
  const rows = blockOfRow.length;
  const positions = columns / vector;
  const w = Float64Array.from(weight);
  const ids = new Uint8Array(positions * rows);
  const codebooks = new Float32Array(positions * blocks * centroids * vector);
  const rowsOfBlock = rowsByBlock(blockOfRow, blocks);
  for (let position = 0; position < positions; position++) {
    const first = position * vector;
    const root = factor
      ? inverseOfDiagonal(factor, columns, first, vector)
      : rootOf(metric, position, vector);
    for (let block = 0; block < blocks; block++) {
      const members = rowsOfBlock[block];
      const points = pointsOf(w, columns, first, vector, members);
      const best = cluster(points, root, { vector, centroids, seed, position, block, restarts });
      codebooks.set(best.codebook, (position * blocks + block) * centroids * vector);
      for (const [at, row] of members.entries()) ids[position * rows + row] = best.ids[at];
    }
    if (factor === null) continue;
    for (let row = 0; row < rows; row++) {
      const chosen =
        ((position * blocks + blockOfRow[row]) * centroids + ids[position * rows + row]) * vector;
      const difference = new Float64Array(vector);
      for (let i = 0; i < vector; i++) difference[i] = w[row * columns + first + i] - codebooks[chosen + i];
      const error = timesUpper(difference, root, vector); // (w − q) U_pp⁻¹
      for (let i = 0; i < vector; i++) {
        const u = (first + i) * columns;
        for (let column = first + vector; column < columns; column++)
          w[row * columns + column] -= error[i] * factor[u + column];
      }
    }
  }
  return { ids, codebooks };
}

function rowsByBlock(blockOfRow: Int32Array, blocks: number): readonly number[][] {
  const found: number[][] = Array.from({ length: blocks }, () => []);
  for (const [row, block] of blockOfRow.entries()) found[block].push(row);
  return found;
}

function pointsOf(
  w: Float64Array,
  columns: number,
  first: number,
  vector: number,
  members: readonly number[],
): Float64Array {
  const points = new Float64Array(members.length * vector);
  for (const [at, row] of members.entries())
    points.set(w.subarray(row * columns + first, row * columns + first + vector), at * vector);
  return points;
}

/** `U_pp⁻¹`, `[v, v]`, upper triangular: distances are lengths of `(a − b) · U_pp⁻¹`. */
function inverseOfDiagonal(
  factor: Float64Array,
  columns: number,
  first: number,
  vector: number,
): Float64Array {
  const u = (i: number, j: number) => factor[(first + i) * columns + first + j];
  const out = new Float64Array(vector * vector);
  for (let column = 0; column < vector; column++) {
    for (let row = column; row >= 0; row--) {
      let sum = row === column ? 1 : 0;
      for (let k = row + 1; k <= column; k++) sum -= u(row, k) * out[k * vector + column];
      out[row * vector + column] = sum / u(row, row);
    }
  }
  return out;
}

/** The upper R with `R Rᵀ` the metric of a position: distances are lengths of `(a − b) · R`. */
function rootOf(metric: Float64Array | null, position: number, vector: number): Float64Array {
  if (metric === null) throw new RangeError("neither a factor nor a metric");
  const m = (i: number, j: number) => metric[(position * vector + i) * vector + j];
  const out = new Float64Array(vector * vector);
  for (let column = vector - 1; column >= 0; column--) {
    for (let row = column; row >= 0; row--) {
      let sum = m(row, column);
      for (let k = column + 1; k < vector; k++) sum -= out[row * vector + k] * out[column * vector + k];
      out[row * vector + column] =
        row === column ? Math.sqrt(Math.max(sum, 0)) : sum / (out[column * vector + column] || 1);
    }
  }
  return out;
}

/** `x · R`, R upper triangular. */
function timesUpper(x: Float64Array, upper: Float64Array, vector: number): Float64Array {
  const out = new Float64Array(vector);
  for (let j = 0; j < vector; j++) for (let i = 0; i <= j; i++) out[j] += x[i] * upper[i * vector + j];
  return out;
}

interface Clustering {
  readonly codebook: Float32Array;
  readonly ids: Uint8Array;
}

interface ClusterTask extends Pick<CompensatedVectorsTask, "vector" | "centroids" | "seed" | "restarts"> {
  readonly position: number;
  readonly block: number;
}

/** k-means of points `[n, v]`, near by `(a − b) · root`: the best of some starts, the first of equals. */
function cluster(points: Float64Array, root: Float64Array, task: ClusterTask): Clustering {
  const { vector, centroids, seed, position, block, restarts } = task;
  const shaped = new Float64Array(points.length);
  for (let at = 0; at < points.length; at += vector)
    shaped.set(timesUpper(points.subarray(at, at + vector), root, vector), at);
  let best: KMeans | null = null;
  for (let start = 0; start < restarts; start++) {
    const random = randomNumbers(seed, position, block, start);
    const found = kMeansOf(shaped, vector, centroids, random);
    if (best === null || found.error < best.error) best = found;
  }
  const { ids } = best as KMeans;
  return { ids, codebook: meansOf(points, ids, vector, centroids) };
}

interface KMeans {
  readonly ids: Uint8Array;
  readonly error: number;
}

function kMeansOf(points: Float64Array, vector: number, centroids: number, random: () => number): KMeans {
  const n = points.length / vector;
  let codebook = spreadStart(points, vector, centroids, random);
  const ids = new Uint8Array(n);
  const distances = new Float64Array(n);
  for (let round = 0; ; round++) {
    const changed = assign(points, codebook, vector, ids, distances, round === 0);
    if (!changed || round === mostRounds) break;
    codebook = centresOf(points, ids, distances, vector, centroids);
  }
  let error = 0;
  for (const distance of distances) error += distance;
  return { ids, error };
}

/** k-means++ (Arthur and Vassilvitskii, 2007): each start is drawn with the squared distance to those before it. */
function spreadStart(
  points: Float64Array,
  vector: number,
  centroids: number,
  random: () => number,
): Float64Array {
  const n = points.length / vector;
  const codebook = new Float64Array(centroids * vector);
  const nearest = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
  let chosen = Math.floor(random() * n);
  for (let centroid = 0; centroid < centroids; centroid++) {
    codebook.set(points.subarray(chosen * vector, (chosen + 1) * vector), centroid * vector);
    let total = 0;
    for (let at = 0; at < n; at++) {
      const distance = squared(points, at * vector, codebook, centroid * vector, vector);
      if (distance < nearest[at]) nearest[at] = distance;
      total += nearest[at];
    }
    let left = random() * total;
    chosen = n - 1;
    for (let at = 0; at < n; at++) {
      left -= nearest[at];
      if (left < 0) {
        chosen = at;
        break;
      }
    }
  }
  return codebook;
}

function squared(a: Float64Array, at: number, b: Float64Array, bt: number, vector: number): number {
  let sum = 0;
  for (let i = 0; i < vector; i++) sum += (a[at + i] - b[bt + i]) * (a[at + i] - b[bt + i]);
  return sum;
}

/** Gives every point its nearest centroid, the first of equals; whether any id changed. */
function assign(
  points: Float64Array,
  codebook: Float64Array,
  vector: number,
  ids: Uint8Array,
  distances: Float64Array,
  isFirst: boolean,
): boolean {
  let changed = isFirst;
  for (let at = 0; at < ids.length; at++) {
    let nearest = Number.POSITIVE_INFINITY;
    let id = 0;
    for (let centroid = 0; centroid * vector < codebook.length; centroid++) {
      const distance = squared(points, at * vector, codebook, centroid * vector, vector);
      if (distance < nearest) {
        nearest = distance;
        id = centroid;
      }
    }
    if (ids[at] !== id) changed = true;
    ids[at] = id;
    distances[at] = nearest;
  }
  return changed;
}

/** The mean of each cluster; an empty one takes the point that is farthest from its own, each another. */
function centresOf(
  points: Float64Array,
  ids: Uint8Array,
  distances: Float64Array,
  vector: number,
  centroids: number,
): Float64Array {
  const { sums, counts } = sumsOf(points, ids, vector, centroids);
  for (let centroid = 0; centroid < centroids; centroid++) {
    if (counts[centroid] === 0) {
      let farthest = 0;
      for (let at = 1; at < ids.length; at++) if (distances[at] > distances[farthest]) farthest = at;
      sums.set(points.subarray(farthest * vector, (farthest + 1) * vector), centroid * vector);
      distances[farthest] = 0;
    } else for (let i = 0; i < vector; i++) sums[centroid * vector + i] /= counts[centroid];
  }
  return sums;
}

/** The means of the clusters, float32; zeros for an empty one. */
function meansOf(points: Float64Array, ids: Uint8Array, vector: number, centroids: number): Float32Array {
  const { sums, counts } = sumsOf(points, ids, vector, centroids);
  return Float32Array.from(sums, (sum, at) => sum / (counts[Math.floor(at / vector)] || 1));
}

function sumsOf(points: Float64Array, ids: Uint8Array, vector: number, centroids: number) {
  const sums = new Float64Array(centroids * vector);
  const counts = new Float64Array(centroids);
  for (let at = 0; at < ids.length; at++) {
    counts[ids[at]]++;
    for (let i = 0; i < vector; i++) sums[ids[at] * vector + i] += points[at * vector + i];
  }
  return { sums, counts };
}
