import type { Matrix } from "../tensor/matrix.js";
import { nearestCentroids } from "./centroid-search.js";
import { randomNumbers } from "./random.js";

export interface KMeansTask {
  readonly vector: number;
  readonly centroids: number;
  readonly seed: number;
  readonly rounds?: number;
  readonly restarts?: number;
}

export function kMeans(points: Matrix, { vector, centroids, seed, rounds = 25 }: KMeansTask): Float32Array {
  const positions = points.columns / vector;
  const out = new Float32Array(positions * centroids * vector);
  for (let p = 0; p < positions; p++) {
    const random = randomNumbers(seed, p);
    const x = new Float32Array(points.rows * vector);
    for (let t = 0; t < points.rows; t++)
      for (let i = 0; i < vector; i++) x[t * vector + i] = points.data[t * points.columns + p * vector + i];
    const book = out.subarray(p * centroids * vector, (p + 1) * centroids * vector);
    const d = new Float64Array(points.rows).fill(Infinity);
    let pick = Math.floor(random() * points.rows);
    for (let c = 0; c < centroids; c++) {
      book.set(x.subarray(pick * vector, (pick + 1) * vector), c * vector);
      let total = 0;
      for (let t = 0; t < points.rows; t++) {
        let s = 0;
        for (let i = 0; i < vector; i++) s += (x[t * vector + i] - book[c * vector + i]) ** 2;
        if (s < d[t]) d[t] = s;
        total += d[t];
      }
      let left = random() * total;
      pick = points.rows - 1;
      for (let t = 0; t < points.rows; t++) {
        left -= d[t];
        if (left < 0) {
          pick = t;
          break;
        }
      }
    }
    for (let r = 0; r < rounds; r++) {
      const ids = nearestCentroids({ rows: points.rows, columns: vector, data: x }, book, vector);
      const sums = new Float64Array(centroids * vector),
        n = new Float64Array(centroids);
      for (let t = 0; t < points.rows; t++) {
        n[ids[t]]++;
        for (let i = 0; i < vector; i++) sums[ids[t] * vector + i] += x[t * vector + i];
      }
      for (let c = 0; c < centroids; c++)
        if (n[c]) for (let i = 0; i < vector; i++) book[c * vector + i] = sums[c * vector + i] / n[c];
    }
  }
  return out;
}
