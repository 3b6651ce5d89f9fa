import { roundToFloat16 } from "../tensor/float.js";
import { nearestLevels } from "./shared-tables.js";

/** What to approximate: runs of `group` consecutive weights of rows of K, each by a table of its own. */
export interface OwnTablesTask {
  /** Divides K. */
  readonly group: number;
  /** Values of a table, 2 to 256. */
  readonly values: number;
  /** `[K]`, not negative: what the squared error of a weight counts, by its place in the row. */
  readonly importance: Float64Array;
}

export interface OwnTablesResult {
  /** One code a weight. */
  readonly codes: Uint8Array;
  /** `[runs, values]`, float16 values that rise; the last is repeated where a run has fewer different weights. */
  readonly tables: Float32Array;
}

/** Weights whose importance is that small a part of the run's largest are left out of the fit: their sums would be lost in rounding. */
const negligible = 2 ** -30;

/**
 * The table of each run with the least `Σ importance · (w − ŵ)²`: one-dimensional k-means, solved exactly. The reference of
 * the native kernel.
 *
 * Clusters of the optimum are runs of the sorted weights, so dynamic programming finds them: `D_c[i]`, the best of the
 * first i weights in c clusters, from `D_{c−1}`. Where the last cluster begins never falls with i, nor with c, which
 * leaves O(c n log n) by divide and conquer (Grønlund et al., arXiv 1701.07204, §2). With the sums S of importance ·
 * weight and W of importance, what a cluster contributes is `S² / W`, which is to be large: the squares themselves cost
 * the same in any clustering. Equal weights count as one.
 *
 * Sums are float64, over the sorted weights, equal ones in index order; the first of equally good beginnings counts.
 * Means are rounded to float32, then to float16, and each weight takes the nearest value, the lower of equally near ones.
 * Where no weight of a run has importance, all have the same.
 *
 * @param weights whole rows of K, finite.
 */
export function ownTables(weights: Float32Array, task: OwnTablesTask): OwnTablesResult {
  checkOwnTables(weights, task);
  const { group, values, importance } = task;
  const runs = weights.length / group;
  const codes = new Uint8Array(weights.length);
  const tables = new Float32Array(runs * values);
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const column = (run * group) % importance.length;
    const points = sortedPoints(w, importance.subarray(column, column + group));
    const table = means(points, boundaries(points, values), values);
    tables.set(table, run * values);
    codes.set(nearestLevels(w, table), run * group);
  }
  return { codes, tables };
}

/** @throws RangeError when the importance is none of whole rows, or a number of it is negative or not finite. */
export function checkOwnTables({ length }: Float32Array, { group, importance }: OwnTablesTask): void {
  if (length % importance.length !== 0 || importance.length % group !== 0)
    throw new RangeError(`${importance.length} importances in groups of ${group} for ${length} weights`);
  if (!importance.every((each) => each >= 0 && each < Number.POSITIVE_INFINITY))
    throw new RangeError("an importance is negative or not finite");
}

/** Different weights in rising order, as sums over the first i of them; `[n + 1]` each. */
interface SortedPoints {
  /** n. */
  readonly count: number;
  /** Σ importance. */
  readonly mass: Float64Array;
  /** Σ importance · weight. */
  readonly moment: Float64Array;
}

function sortedPoints(w: Float32Array, importance: Float64Array): SortedPoints {
  const most = importance.reduce((most, each) => Math.max(most, each), 0);
  const counted = (i: number) => most === 0 || importance[i] > most * negligible;
  const order = Array.from(w.keys())
    .filter(counted)
    .sort((a, b) => w[a] - w[b] || a - b);
  const mass = new Float64Array(order.length + 1);
  const moment = new Float64Array(order.length + 1);
  let count = 0;
  for (const [at, i] of order.entries()) {
    if (at === 0 || w[i] !== w[order[at - 1]]) {
      mass[count + 1] = mass[count];
      moment[count + 1] = moment[count];
      count++;
    }
    const each = most === 0 ? 1 : importance[i];
    mass[count] += each;
    moment[count] += each * w[i];
  }
  return { count, mass, moment };
}

/** Where the clusters of the optimum begin, and the end of the last: `[clusters + 1]`. */
function boundaries(points: SortedPoints, most: number): readonly number[] {
  const { count } = points;
  if (count <= most) return Array.from({ length: count + 1 }, (_, i) => i);
  const begins = [new Uint32Array(count + 1)];
  let best = new Float64Array(count + 1);
  for (let end = 1; end <= count; end++) best[end] = contribution(points, 0, end);
  for (let clusters = 2; clusters <= most; clusters++) {
    const layer = nextLayer(points, clusters, most, best, begins[clusters - 2]);
    best = layer.best;
    begins.push(layer.begins);
  }
  const found = [count];
  for (let clusters = most; clusters >= 1; clusters--)
    found.push(begins[clusters - 1][found[found.length - 1]]);
  return found.reverse();
}

function contribution({ mass, moment }: SortedPoints, begin: number, end: number): number {
  const sum = moment[end] - moment[begin];
  return (sum * sum) / (mass[end] - mass[begin]);
}

interface Layer {
  /** `[n + 1]`: of the first i points. */
  readonly best: Float64Array<ArrayBuffer>;
  /** `[n + 1]`: where the last cluster then begins. */
  readonly begins: Uint32Array<ArrayBuffer>;
}

/** One cluster more; only ends are looked at that leave a point for each cluster to come. */
function nextLayer(
  points: SortedPoints,
  clusters: number,
  most: number,
  before: Float64Array,
  beginsBefore: Uint32Array,
): Layer {
  const best = new Float64Array(before.length);
  const begins = new Uint32Array(before.length);
  const last = points.count - (most - clusters);
  const fill = (firstEnd: number, lastEnd: number, firstBegin: number, lastBegin: number): void => {
    if (firstEnd > lastEnd) return;
    const end = (firstEnd + lastEnd) >> 1;
    // One cluster less begins its last no later; the layer before goes one end less far.
    const from = Math.max(firstBegin, beginsBefore[Math.min(end, last - 1)], clusters - 1);
    let [found, largest] = [from, Number.NEGATIVE_INFINITY];
    for (let begin = from; begin <= Math.min(lastBegin, end - 1); begin++) {
      const sum = before[begin] + contribution(points, begin, end);
      if (sum > largest) [found, largest] = [begin, sum];
    }
    best[end] = largest;
    begins[end] = found;
    fill(firstEnd, end - 1, firstBegin, found);
    fill(end + 1, lastEnd, found, lastBegin);
  };
  fill(clusters === most ? last : clusters, last, 0, last);
  return { best, begins };
}

/** The table of some clusters, filled up with its last value. */
function means({ mass, moment }: SortedPoints, bounds: readonly number[], values: number): Float32Array {
  const table = new Float32Array(values);
  for (let i = 0; i < values; i++) {
    const cluster = Math.min(i, bounds.length - 2);
    const [begin, end] = [bounds[cluster], bounds[cluster + 1]];
    const mean = Math.fround((moment[end] - moment[begin]) / (mass[end] - mass[begin]));
    table[i] = roundToFloat16(mean) + 0; // no −0
  }
  return table;
}
