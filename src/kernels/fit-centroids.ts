import { chebyshev, farthest } from "./centroid-search.js";
import { randomStream } from "./random.js";

export interface FitTask {
  /** v: numbers of a point, 1 to 8. */
  readonly vector: number;
  /** 1 to 256. */
  readonly centroids: number;
  /** What decides to which centroid a point belongs: `Σ (x_i − c_i)²`, or `max_i |x_i − c_i|` as hardware searches. */
  readonly nearness: "euclid" | "chebyshev";
  /** Of Lloyd's, at most. */
  readonly rounds: number;
  /** Starts, of which the best counts: the least squared error, the first of equals. */
  readonly restarts: number;
  /** Name the random numbers, together with the start. */
  readonly keys: readonly number[];
}

export interface FittedCentroids {
  /** `[centroids, v]`. */
  readonly centroids: Float32Array;
  /** `Σ (x_i − c_i)²` over all points, each with its own centroid. */
  readonly error: number;
}

/** Rounds at most; k-means of a few hundred or thousand points gains next to nothing from more. */
export const mostRounds = 25;

/** A sum over points takes every sixteenth: sums that lanes hold, whatever their number. */
const strands = 16;

/**
 * k-means: k-means++ (Arthur & Vassilvitskii, SODA 2007), then rounds of Lloyd's, until one changes no point's centroid. A
 * centroid is the mean of its points: the least squared error that their cell has, also where `nearness` is another. One
 * without points goes to the point that is farthest from its own. The reference of the native kernel.
 *
 * Distances are float32, a point's squares are added in order, the first of equally near centroids counts. Sums over points
 * are float64. With fewer distinct points than centroids some centroids are alike, and the later ones are never found.
 *
 * @param points `[n, v]`, n ≥ 1.
 */
export function fitCentroids(points: Float32Array, task: FitTask): FittedCentroids {
  let best = fitOnce(points, task, 0);
  for (let start = 1; start < task.restarts; start++) {
    const found = fitOnce(points, task, start);
    if (found.error < best.error) best = found;
  }
  return best;
}

/** @throws RangeError when positions of `columns` cannot be clustered so. */
export function checkFit(
  columns: number,
  { vector, centroids, restarts }: Pick<FitTask, "vector" | "centroids" | "restarts">,
): void {
  if (!within(vector, 8) || columns < 1 || columns % vector !== 0)
    throw new RangeError(`vectors of ${vector} do not divide ${columns} columns`);
  if (!within(centroids, 256)) throw new RangeError(`${centroids} centroids, of 1 to 256`);
  if (!within(restarts, 1024)) throw new RangeError(`${restarts} restarts, of 1 to 1024`);
}

function within(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}

function fitOnce(points: Float32Array, task: FitTask, start: number): FittedCentroids {
  const { vector, rounds, nearness, keys } = task;
  const centroids = firstCentroids(points, task, randomStream(...keys, start));
  let cells = cellsOf(points, centroids, vector, nearness);
  for (let round = 0; round < rounds; round++) {
    moveToMeans(points, cells, centroids, vector);
    const { ids } = cells;
    cells = cellsOf(points, centroids, vector, nearness);
    if (cells.ids.every((id, n) => id === ids[n])) break;
  }
  const distances = Float32Array.from(cells.ids, (id, n) =>
    squared(points, n * vector, centroids, id * vector, vector),
  );
  return { centroids, error: total(strandSums(distances)) };
}

/** Each point's nearest centroid, and how far that is. */
export interface Cells {
  readonly ids: Uint8Array;
  readonly distances: Float32Array;
}

export function cellsOf(
  points: Float32Array,
  centroids: Float32Array,
  vector: number,
  nearness: FitTask["nearness"],
): Cells {
  const distanceOf = nearness === "euclid" ? squared : chebyshev;
  const ids = new Uint8Array(points.length / vector);
  const distances = new Float32Array(ids.length);
  for (let n = 0; n < ids.length; n++) {
    let least = nearness === "euclid" ? Number.POSITIVE_INFINITY : farthest;
    for (let at = 0; at < centroids.length; at += vector) {
      const distance = distanceOf(points, n * vector, centroids, at, vector);
      if (distance < least) {
        least = distance;
        ids[n] = at / vector;
      }
    }
    distances[n] = least;
  }
  return { ids, distances };
}

function squared(a: Float32Array, at: number, b: Float32Array, bt: number, vector: number): number {
  let sum = 0;
  for (let i = 0; i < vector; i++) {
    const difference = Math.fround(a[at + i] - b[bt + i]);
    sum = Math.fround(sum + Math.fround(difference * difference));
  }
  return sum;
}

/** Centroids become the means of their points; one without takes the point that is farthest from its own, each another. */
function moveToMeans(
  points: Float32Array,
  { ids, distances }: Cells,
  centroids: Float32Array,
  vector: number,
): void {
  const sums = new Float64Array(centroids.length);
  const members = new Uint32Array(centroids.length / vector);
  for (const [n, id] of ids.entries()) {
    members[id]++;
    for (let i = 0; i < vector; i++) sums[id * vector + i] += points[n * vector + i];
  }
  for (const [id, count] of members.entries()) {
    const lone = count > 0 ? -1 : takeFarthest(distances);
    for (let i = 0; i < vector; i++) {
      const at = id * vector + i;
      if (count > 0) centroids[at] = sums[at] / count;
      else if (lone >= 0) centroids[at] = points[lone * vector + i];
    }
  }
}

/** The first point of the largest distance, which becomes zero; −1 when none is above. */
function takeFarthest(distances: Float32Array): number {
  let [found, largest] = [-1, 0];
  for (const [n, distance] of distances.entries()) {
    if (distance > largest) [found, largest] = [n, distance];
  }
  if (found >= 0) distances[found] = 0;
  return found;
}

/** k-means++: each centroid is a point, drawn with its squared distance to those before. */
function firstCentroids(
  points: Float32Array,
  { vector, centroids }: FitTask,
  random: () => number,
): Float32Array {
  const count = points.length / vector;
  const found = new Float32Array(centroids * vector);
  const distances = new Float32Array(count).fill(Number.POSITIVE_INFINITY);
  for (let at = 0; at < found.length; at += vector) {
    const share = random();
    const chosen = at === 0 ? Math.floor(share * count) : drawn(distances, share);
    found.set(points.subarray(chosen * vector, (chosen + 1) * vector), at);
    for (let n = 0; n < count; n++) {
      const distance = squared(points, n * vector, found, at, vector);
      if (distance < distances[n]) distances[n] = distance;
    }
  }
  return found;
}

/**
 * The point where the running sum of distances first exceeds `share` of the total, strand by strand; the first point when
 * all distances are zero.
 */
function drawn(distances: Float32Array, share: number): number {
  const sums = strandSums(distances);
  const wanted = share * total(sums);
  let [running, last] = [0, 0];
  for (const [strand, sum] of sums.entries()) {
    if (running + sum <= wanted) {
      running += sum;
      continue;
    }
    for (let n = strand; n < distances.length; n += strands) {
      if (!(distances[n] > 0)) continue;
      running += distances[n];
      last = n;
      if (running > wanted) return n;
    }
  }
  return last;
}

function strandSums(distances: Float32Array): Float64Array {
  const sums = new Float64Array(strands);
  for (const [n, distance] of distances.entries()) sums[n % strands] += distance;
  return sums;
}

function total(sums: Float64Array): number {
  return sums.reduce((sum, strand) => sum + strand, 0);
}
