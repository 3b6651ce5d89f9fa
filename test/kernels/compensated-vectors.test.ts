import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CompensatedVectors, compensatedVectors } from "../../src/kernels/compensated-vectors.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";
import { covariance, inverted } from "./second-moments.js";

const [rows, columns, vector] = [40, 12, 2];
const blockOfRow = Int32Array.from({ length: rows }, (_, row) => row % 2);
const shape = { vector, centroids: 5, blockOfRow, blocks: 2, seed: 3, restarts: 4 };
const hessian = covariance(columns, 40, 1);
const weight = weights(rows * columns, 2);
const { factor } = await reference.inverseFactor(hessian, columns, 0);
const moments = diagonalSquares(hessian, columns, vector);

/*
 * GPTVQ as its derivation has it (optimal brain surgeon): F the columns that are not quantized yet, C = (H_FF)⁻¹; an error
 * e of position p costs e · (C_pp)⁻¹ · eᵀ and moves the later columns by −e · (C_pp)⁻¹ · C_pF. A C for every position, by
 * elimination; no Cholesky factor.
 */
describe.each(["with", "without"])("%s compensation", (kind) => {
  const compensates = kind === "with";
  const metric = compensates ? { factor } : { moments };

  test("every sub-vector has its nearest centroid, and every centroid is the mean of its sub-vectors", async () => {
    const found = await compensatedVectors(weight, columns, { ...shape, metric });
    const rest = Float64Array.from(weight);
    for (let first = 0; first < columns; first += vector) {
      const free = columns - first;
      const remaining = compensates ? inverted(squareOf(hessian, columns, first, free), free) : null;
      const cost = remaining
        ? inverted(squareOf(remaining, free, 0, vector), vector)
        : squareOf(hessian, columns, first, vector);
      const books = [0, 1].map((block) => centroidsOf(found, first / vector, block));
      const members = books.map((book) => book.map((): number[][] => []));
      for (let row = 0; row < rows; row++) {
        const w = [...rest.subarray(row * columns + first, row * columns + first + vector)];
        const costs = books[row % 2].map((q) => quadratic(difference(w, q), cost));
        const id = found.ids[(first / vector) * rows + row];
        expect(costs[id]).toBeLessThanOrEqual(Math.min(...costs) * (1 + 1e-4));
        members[row % 2][id].push(w);
        if (!remaining) continue;
        const error = difference(w, books[row % 2][id]);
        for (let j = vector; j < free; j++) {
          for (let i = 0; i < vector; i++) {
            const share = [0, 1].reduce((sum, k) => sum + cost[i * vector + k] * remaining[k * free + j], 0);
            rest[row * columns + first + j] -= error[i] * share;
          }
        }
      }
      for (const [block, book] of books.entries()) {
        for (const [id, centroid] of book.entries()) {
          const own = members[block][id];
          expect(own.length).toBeGreaterThan(0);
          for (const i of [0, 1])
            expect(centroid[i]).toBeCloseTo(own.reduce((sum, w) => sum + w[i], 0) / own.length, 5);
        }
      }
    }
  });

  test("as many centroids as a block has rows give the weights back", async () => {
    const found = await compensatedVectors(weight, columns, { ...shape, centroids: 20, metric });
    const quantized = dequantized(found, 20);
    expect(weight.every((value, at) => Math.abs(value - quantized[at]) < 1e-6)).toBe(true);
  });

  test("a block depends on no rows of another", async () => {
    const changed = weight.map((value, at) =>
      blockOfRow[Math.floor(at / columns)] === 1 ? -2 * value : value,
    );
    const [a, b] = await Promise.all(
      [weight, changed].map((w) => compensatedVectors(w, columns, { ...shape, metric })),
    );
    for (let position = 0; position < columns / vector; position++) {
      expect(centroidsOf(a, position, 0)).toEqual(centroidsOf(b, position, 0));
      expect(centroidsOf(a, position, 1)).not.toEqual(centroidsOf(b, position, 1));
      for (let row = 0; row < rows; row += 2)
        expect(a.ids[position * rows + row]).toBe(b.ids[position * rows + row]);
    }
  });

  test("more starts of k-means are no worse at the first position, whose weights are as they were", async () => {
    const errors = [];
    for (const restarts of [1, 4, 16]) {
      const found = await compensatedVectors(weight, columns, { ...shape, restarts, metric });
      const cost = compensates
        ? inverted(squareOf(inverted(hessian, columns), columns, 0, vector), vector)
        : squareOf(hessian, columns, 0, vector);
      const quantized = dequantized(found, shape.centroids);
      let error = 0;
      for (let at = 0; at < weight.length; at += columns)
        error += quadratic(
          difference([weight[at], weight[at + 1]], [quantized[at], quantized[at + 1]]),
          cost,
        );
      errors.push(error);
    }
    expect(errors[1]).toBeLessThanOrEqual(errors[0] * (1 + 1e-5));
    expect(errors[2]).toBeLessThanOrEqual(errors[1] * (1 + 1e-5));
    expect(errors[2]).toBeLessThan(errors[0]);
  });
});

test("compensation makes the error of the outputs smaller", async () => {
  const errors = [];
  for (const metric of [{ factor }, { moments }]) {
    const found = await compensatedVectors(weight, columns, { ...shape, metric });
    const quantized = dequantized(found, shape.centroids);
    let error = 0;
    for (let at = 0; at < weight.length; at += columns)
      error += quadratic(
        difference([...weight.subarray(at, at + columns)], [...quantized.subarray(at, at + columns)]),
        hessian,
      );
    errors.push(error);
  }
  expect(errors[0]).toBeLessThan(0.8 * errors[1]);
});

test("what does not fit is refused", async () => {
  const task = { ...shape, metric: { factor } };
  for (const kernels of [reference, ...nativeKernels.map(({ native }) => native)]) {
    const attempt = (changed: object) => kernels.compensatedVectors(weight, columns, { ...task, ...changed });
    await expect(attempt({ vector: 5 })).rejects.toThrow("vectors of 5 do not divide 12 columns");
    await expect(attempt({ centroids: 257 })).rejects.toThrow("257 centroids");
    await expect(attempt({ restarts: 0 })).rejects.toThrow("0 restarts");
    await expect(attempt({ blocks: 3 })).rejects.toThrow("into 3 blocks"); // one would have no rows
    await expect(attempt({ blockOfRow: blockOfRow.map((block) => block - 1) })).rejects.toThrow(RangeError);
    await expect(attempt({ blockOfRow: new Int32Array(7) })).rejects.toThrow("7 block numbers");
    await expect(attempt({ metric: { factor: factor.slice(1) } })).rejects.toThrow("a metric of 143 values");
    await expect(attempt({ metric: { moments: factor } })).rejects.toThrow("a metric of 144 values");
  }
});

describe.each(nativeKernels)("native, $name, gives the reference's bits", ({ native }) => {
  const any = fc.record({
    seed: seeds,
    vector: fc.oneof(fc.constant(2), fc.integer({ min: 1, max: 8 })),
    positions: fc.integer({ min: 1, max: 12 }),
    rows: fc.integer({ min: 3, max: 90 }),
    centroids: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 17, max: 256 })),
    blocks: fc.integer({ min: 1, max: 3 }),
    restarts: fc.integer({ min: 1, max: 3 }),
    compensates: fc.boolean(),
  });

  test("of ids and codebooks, for any shape", async () => {
    await fc.assert(
      fc.asyncProperty(any, async (shape) => {
        const { columns, weight, task } = await random(shape);
        expect(await native.compensatedVectors(weight, columns, task)).toEqual(
          await compensatedVectors(weight, columns, task),
        );
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  test("where columns are several batches", async () => {
    for (const [vector, positions] of [
      [2, 150],
      [3, 90],
    ]) {
      const { columns, weight, task } = await random({
        ...{
          seed: vector,
          vector,
          positions,
          rows: 30,
          centroids: 4,
          blocks: 2,
          restarts: 1,
          compensates: true,
        },
      });
      expect(await native.compensatedVectors(weight, columns, task)).toEqual(
        await compensatedVectors(weight, columns, task),
      );
    }
  });
});

async function random(shape: {
  readonly seed: number;
  readonly vector: number;
  readonly positions: number;
  readonly rows: number;
  readonly centroids: number;
  readonly blocks: number;
  readonly restarts: number;
  readonly compensates: boolean;
}) {
  const { seed, vector, positions, rows, centroids, blocks, restarts, compensates } = shape;
  const columns = positions * vector;
  const hessian = covariance(columns, columns + 9, seed);
  const metric = compensates
    ? { factor: (await reference.inverseFactor(hessian, columns, 0.01)).factor }
    : { moments: diagonalSquares(hessian, columns, vector) };
  const blockOfRow = Int32Array.from({ length: rows }, (_, row) => (row * 7 + (row >> 2)) % blocks);
  for (let block = 0; block < blocks; block++) blockOfRow[block] = block; // none without rows
  return {
    columns,
    weight: weights(rows * columns, seed),
    task: { vector, centroids, blockOfRow, blocks, metric, seed, restarts },
  };
}

function weights(length: number, seed: number): Float32Array {
  const next = integers(seed + 11);
  return Float32Array.from({ length }, () => (next(1000) + next(1000)) / 1000 - 1);
}

/** `[P, v, v]`. */
function diagonalSquares(matrix: Float64Array, size: number, vector: number): Float64Array {
  const squares = Array.from({ length: size / vector }, (_, position) => [
    ...squareOf(matrix, size, position * vector, vector),
  ]);
  return Float64Array.from(squares.flat());
}

/** The square of rows and columns from `first` on. */
function squareOf(matrix: Float64Array, size: number, first: number, count: number): Float64Array {
  return Float64Array.from({ length: count * count }, (_, at) => {
    const [i, j] = [Math.floor(at / count), at % count];
    return matrix[(first + i) * size + first + j];
  });
}

function centroidsOf({ codebooks }: CompensatedVectors, position: number, block: number): number[][] {
  return Array.from({ length: shape.centroids }, (_, id) => {
    const at = ((position * 2 + block) * shape.centroids + id) * vector;
    return [...codebooks.subarray(at, at + vector)];
  });
}

/** `[N, K]`. */
function dequantized({ ids, codebooks }: CompensatedVectors, centroids: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const position = Math.floor(column / vector);
    const centroid = (position * 2 + blockOfRow[row]) * centroids + ids[position * rows + row];
    return codebooks[centroid * vector + (column % vector)];
  });
}

function difference(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - b[i]);
}

/** e · M · eᵀ. */
function quadratic(e: readonly number[], matrix: Float64Array): number {
  return e.reduce((sum, a, i) => sum + e.reduce((row, b, j) => row + a * b * matrix[i * e.length + j], 0), 0);
}
