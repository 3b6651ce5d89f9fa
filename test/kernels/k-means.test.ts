import fc from "fast-check";
import { kmeans } from "ml-kmeans";
import { describe, expect, test } from "vitest";
import { nearestCentroids } from "../../src/kernels/centroid-search.js";
import { fitCentroids, mostRounds } from "../../src/kernels/fit-centroids.js";
import { kMeans } from "../../src/kernels/k-means.js";
import { matrix } from "../../src/tensor/matrix.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";

const task = { vector: 2, centroids: 6, seed: 9 };

test("centroids are the means of the tokens that hardware's search gives them", () => {
  const points = inputs(120, 8, 1);
  const codebooks = kMeans(points, task);
  const ids = nearestCentroids(points, codebooks, 2);
  for (let at = 0; at < codebooks.length; at++) {
    const [position, id, i] = [Math.floor(at / 12), Math.floor(at / 2) % 6, at % 2];
    const own = Array.from({ length: 120 }, (_, token) => token).filter(
      (token) => ids[position * 120 + token] === id,
    );
    expect(own.length).toBeGreaterThan(0);
    const mean = own.reduce((sum, token) => sum + points.data[token * 8 + position * 2 + i], 0) / own.length;
    expect(codebooks[at]).toBeCloseTo(mean, 5);
  }
});

test("each position is what ml-kmeans makes of it from the same start, with Chebyshev's distance", () => {
  const points = inputs(500, 6, 2);
  const codebooks = kMeans(points, { ...task, vector: 3, centroids: 10 });
  const distanceFunction = (a: number[], b: number[]) =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  for (const position of [0, 1]) {
    const own = Array.from({ length: 500 }, (_, token) => [
      ...points.data.subarray(token * 6 + position * 3, token * 6 + position * 3 + 3),
    ]);
    const start = fitCentroids(Float32Array.from(own.flat()), {
      ...{ vector: 3, centroids: 10, nearness: "chebyshev", rounds: 0, restarts: 1, keys: [9, position] },
    }).centroids;
    const oracle = kmeans(own, 10, {
      ...{ maxIterations: mostRounds, tolerance: 0, distanceFunction },
      initialization: Array.from({ length: 10 }, (_, id) => [...start.subarray(id * 3, id * 3 + 3)]),
    });
    for (const [at, value] of oracle.centroids.flat().entries())
      expect(codebooks[position * 30 + at]).toBeCloseTo(value, 4);
  }
});

test("a position's codebook depends on no other position", () => {
  const points = inputs(60, 4, 3);
  const others = matrix(60, 4, points.data.slice());
  for (let token = 0; token < 60; token++) others.data[token * 4] = token % 5;
  expect(kMeans(others, task).subarray(12)).toEqual(kMeans(points, task).subarray(12));
});

test("another seed is another start; the same gives the same", () => {
  const points = inputs(200, 2, 4);
  expect(kMeans(points, task)).toEqual(kMeans(points, task));
  expect(kMeans(points, { ...task, seed: 10 })).not.toEqual(kMeans(points, task));
});

test("inputs that never change, or are fewer than centroids, have finite codebooks", () => {
  for (const points of [matrix(50, 4), inputs(1, 4, 5), inputs(3, 4, 6)]) {
    const codebooks = kMeans(points, { ...task, centroids: 256, restarts: 2 });
    expect(codebooks.every(Number.isFinite)).toBe(true);
    const ids = nearestCentroids(points, codebooks, 2);
    for (let at = 0; at < points.rows * 4; at++) {
      const [token, column] = [Math.floor(at / 4), at % 4];
      const position = Math.floor(column / 2);
      const centroid = position * 256 + ids[position * points.rows + token];
      expect(codebooks[centroid * 2 + (column % 2)]).toBe(points.data[at]);
    }
  }
});

test("what fits no positions is refused", async () => {
  for (const kernels of [reference, ...nativeKernels.map(({ native }) => native)]) {
    const points = inputs(5, 6, 7);
    await expect(kernels.kMeans(matrix(0, 6), task)).rejects.toThrow("no points");
    await expect(kernels.kMeans(points, { ...task, vector: 4 })).rejects.toThrow("do not divide 6 columns");
    await expect(kernels.kMeans(points, { ...task, vector: 0 })).rejects.toThrow(RangeError);
    await expect(kernels.kMeans(points, { ...task, centroids: 257 })).rejects.toThrow("257 centroids");
    await expect(kernels.kMeans(points, { ...task, restarts: 0 })).rejects.toThrow("0 restarts");
  }
});

describe.each(nativeKernels)("native, $name, gives the reference's bits", ({ native }) => {
  const shape = fc.record({
    seed: seeds,
    vector: fc.oneof(fc.constant(2), fc.integer({ min: 1, max: 8 })),
    positions: fc.integer({ min: 1, max: 20 }),
    tokens: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 200 })),
    centroids: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 17, max: 256 })),
    restarts: fc.integer({ min: 1, max: 3 }),
    alike: fc.boolean(),
  });

  test("of codebooks, for any shape, with points that are alike and points as near to one as to another", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ tokens, positions, alike, ...task }) => {
        const points = inputs(tokens, positions * task.vector, task.seed);
        if (alike) for (const [at, value] of points.data.entries()) points.data[at] = Math.round(value);
        expect(await native.kMeans(points, task)).toEqual(kMeans(points, task));
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  test("of numbers that float32 distances overflow or underflow with", async () => {
    for (const factor of [1e19, 1e30, 1e-25]) {
      const { rows, columns, data } = inputs(70, 4, 8);
      const points = matrix(
        rows,
        columns,
        data.map((value) => value * factor),
      );
      expect(await native.kMeans(points, { ...task, restarts: 2 })).toEqual(
        kMeans(points, { ...task, restarts: 2 }),
      );
    }
  });
});

/** `[tokens, K]`: around a few levels of each column. */
function inputs(tokens: number, columns: number, seed: number) {
  const next = integers(seed);
  return matrix(
    tokens,
    columns,
    Float32Array.from({ length: tokens * columns }, () => next(3) * 4 + next(1000) / 1000),
  );
}
