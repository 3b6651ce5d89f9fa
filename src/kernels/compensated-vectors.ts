import { inverseFactor, referenceSteps } from "./cholesky.js";
import { cellsOf, checkFit, fitCentroids, mostRounds } from "./fit-centroids.js";

/** How weights become ids of centroids. */
export interface CompensatedVectorsTask {
  /** v: consecutive columns of a position, 1 to 8; P = K / v. */
  readonly vector: number;
  /** c_w, 1 to 256. */
  readonly centroids: number;
  /** `[N]`: each row's block; rows of a block share codebooks, no block is without rows. */
  readonly blockOfRow: Int32Array;
  /** S. */
  readonly blocks: number;
  /** What an error costs. */
  readonly metric: CompensationMetric;
  readonly seed: number;
  /** Starts of k-means for each codebook, of which the best counts. */
  readonly restarts: number;
}

export type CompensationMetric =
  /** U `[K, K]` of `inverseFactor`: errors of a position are made up for in the columns after it. */
  | { readonly factor: Float64Array }
  /** `[P, v, v]`, second moments of each position's inputs alone: errors stay where they are. */
  | { readonly moments: Float64Array };

export interface CompensatedVectors {
  /** `[P, N]`. */
  readonly ids: Uint8Array;
  /** `[P, S, c_w, v]`. */
  readonly codebooks: Float32Array;
}

/**
 * Vector quantization with the error of each position made up for by the later ones: GPTVQ (van Baalen et al., arXiv
 * 2402.15319, algorithm 1), with each codebook fitted when its position's turn comes. For each position p in order: k-means
 * of each block's sub-vectors as they are by then, in the metric `(U_ppᵀ U_pp)⁻¹`, which is what remains of an error
 * when all later columns have done their best; every sub-vector takes its nearest centroid; the error
 * `E = (w − q) · U_pp⁻¹` goes to the columns after: `W_j −= E · U_pj`.
 *
 * In the coordinates `z = w · U_pp⁻¹` the metric is Euclid's: k-means works on z, rounded to float32, and E is a difference
 * of two z. All else is float64; ids are chosen once codebooks are rounded to float32. A weight takes the errors in the
 * order of their columns. Random numbers come from the seed, the position and the block. The reference of the native kernel.
 *
 * @param weight `[N, K]`, finite.
 * @throws RangeError when the task does not fit the weight.
 */
export async function compensatedVectors(
  weight: Float32Array,
  columns: number,
  task: CompensatedVectorsTask,
): Promise<CompensatedVectors> {
  const { vector, centroids, blocks, blockOfRow, metric, seed, restarts } = task;
  const squares = await squaresOf(weight, columns, task);
  const rows = blockOfRow.length;
  const positions = columns / vector;
  const ids = new Uint8Array(positions * rows);
  const codebooks = new Float32Array(positions * blocks * centroids * vector);
  const rest = Float64Array.from(weight);
  const members = rowsByBlock(blockOfRow, blocks);
  for (let position = 0; position < positions; position++) {
    const square = squares.subarray(position * vector ** 2, (position + 1) * vector ** 2);
    for (const [block, rowsOfBlock] of members.entries()) {
      const z = pointsOf(rest, columns, position * vector, rowsOfBlock, square);
      const points = Float32Array.from(z);
      const fitted = fitCentroids(points, {
        ...{ vector, centroids, restarts, rounds: mostRounds },
        nearness: "euclid",
        keys: [seed, position, block],
      });
      const first = (position * blocks + block) * centroids * vector;
      const codebook = codebooks.subarray(first, first + centroids * vector);
      const stored = storeCodebook(fitted.centroids, square, codebook, vector);
      const cells = cellsOf(points, Float32Array.from(stored), vector, "euclid");
      for (const [n, row] of rowsOfBlock.entries()) {
        ids[position * rows + row] = cells.ids[n];
        if (!("factor" in metric)) continue;
        for (let i = 0; i < vector; i++) {
          const column = position * vector + i;
          const error = z[n * vector + i] - stored[cells.ids[n] * vector + i];
          for (let j = (position + 1) * vector; j < columns; j++)
            rest[row * columns + j] -= metric.factor[column * columns + j] * error;
        }
      }
    }
  }
  return { ids, codebooks };
}

/**
 * `[P, v, v]`: U_pp of every position, upper triangles; without compensation they are the factors of the inverse moments.
 * @throws RangeError when the task does not fit the weight.
 */
export async function squaresOf(
  weight: Float32Array,
  columns: number,
  task: CompensatedVectorsTask,
): Promise<Float64Array> {
  const { vector, blocks, blockOfRow, metric } = task;
  checkFit(columns, task);
  if (weight.length !== blockOfRow.length * columns || !everyBlockHasRows(blockOfRow, blocks))
    throw new RangeError(
      `${blockOfRow.length} block numbers do not put ${weight.length / columns} rows into ${blocks} blocks`,
    );
  const values = "factor" in metric ? metric.factor : metric.moments;
  if (values.length !== columns * ("factor" in metric ? columns : vector))
    throw new RangeError(`a metric of ${values.length} values for ${columns} columns`);
  const squares = new Float64Array(columns * vector);
  for (let first = 0; first < columns; first += vector) {
    const at = first * vector;
    if ("factor" in metric) {
      for (let i = 0; i < vector; i++) {
        const from = (first + i) * columns + first;
        squares.set(values.subarray(from, from + vector), at + i * vector);
      }
    } else {
      const moments = values.subarray(at, at + vector ** 2);
      squares.set((await inverseFactor(moments, vector, 0, referenceSteps)).factor, at);
    }
  }
  return squares;
}

function everyBlockHasRows(blockOfRow: Int32Array, blocks: number): boolean {
  return new Set(blockOfRow).size === blocks && blockOfRow.every((block) => block >= 0 && block < blocks);
}

/** The rows of each block, in their order. */
function rowsByBlock(blockOfRow: Int32Array, blocks: number): readonly (readonly number[])[] {
  const found: number[][] = Array.from({ length: blocks }, () => []);
  for (const [row, block] of blockOfRow.entries()) found[block].push(row);
  return found;
}

/** The z `[n, v]` of the sub-vectors at `column`. */
function pointsOf(
  rest: Float64Array,
  columns: number,
  column: number,
  rows: readonly number[],
  square: Float64Array,
): Float64Array {
  const vector = Math.sqrt(square.length);
  const points = new Float64Array(rows.length * vector);
  for (const [n, row] of rows.entries()) {
    const from = row * columns + column;
    solve(rest.subarray(from, from + vector), square, points.subarray(n * vector, (n + 1) * vector));
  }
  return points;
}

/** Writes the centroids `w = z · U_pp`, rounded to float32, and gives the z of what was written. */
function storeCodebook(
  fitted: Float32Array,
  square: Float64Array,
  codebook: Float32Array,
  vector: number,
): Float64Array {
  const stored = new Float64Array(fitted.length);
  for (let c = 0; c < fitted.length; c += vector) {
    for (let j = 0; j < vector; j++) {
      let w = 0;
      for (let i = 0; i <= j; i++) w += fitted[c + i] * square[i * vector + j];
      codebook[c + j] = w;
    }
    solve(codebook.subarray(c, c + vector), square, stored.subarray(c, c + vector));
  }
  return stored;
}

/** The z of `z · U_pp = w`. */
function solve(w: Float64Array | Float32Array, square: Float64Array, z: Float64Array): void {
  for (let j = 0; j < z.length; j++) {
    let left = w[j];
    for (let i = 0; i < j; i++) left -= square[i * z.length + j] * z[i];
    z[j] = left / square[j * z.length + j];
  }
}
