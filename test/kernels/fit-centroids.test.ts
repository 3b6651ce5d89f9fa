import { kmeans } from "ml-kmeans";
import { describe, expect, test } from "vitest";
import { cellsOf, type FitTask, fitCentroids } from "../../src/kernels/fit-centroids.js";
import { integers } from "../targets/random-weights.js";

/* What k-means finds; that the addon finds the same is in k-means.test.ts and compensated-vectors.test.ts. */

const task: FitTask = { vector: 2, centroids: 3, nearness: "euclid", rounds: 25, restarts: 1, keys: [1] };

test("clusters that lie apart are found, each with its mean", () => {
  const points = Float32Array.of(0, 0, 100, 0, 0, 100, 2, 0, 102, 0, 0, 104);
  const { centroids, error } = fitCentroids(points, task);
  expect(sorted(vectors(centroids, 2))).toEqual([
    [0, 102],
    [1, 0],
    [101, 0],
  ]);
  expect(error).toBe(2 + 2 + 8);
});

test("the best of some starts is the optimum, which tiny sets on a line have by dynamic programming", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const next = integers(seed);
    const points = Float32Array.from({ length: 5 + next(8) }, () => next(64) / 4);
    const centroids = 2 + next(3);
    const { error } = fitCentroids(points, { ...task, vector: 1, centroids, restarts: 30, keys: [seed] });
    expect(error).toBeCloseTo(leastErrorOnALine([...points], centroids), 4);
  }
});

test("more starts are never worse, and somewhere better", () => {
  const points = clouds(200, 2, 3);
  const errors = [1, 2, 4, 8].map(
    (restarts) => fitCentroids(points, { ...task, centroids: 9, restarts }).error,
  );
  expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  expect(errors[3]).toBeLessThan(errors[0]);
});

test("the error is the squared distance of all points to the centroids", () => {
  const points = clouds(100, 3, 4);
  const { centroids, error } = fitCentroids(points, { ...task, vector: 3, centroids: 5 });
  const plain = vectors(points, 3).reduce(
    (sum, point) => sum + Math.min(...vectors(centroids, 3).map((centroid) => squared(point, centroid))),
    0,
  );
  expect(error / plain).toBeCloseTo(1, 5);
});

test("no round of Lloyd's makes the error larger", () => {
  const points = clouds(300, 2, 5);
  const errors = Array.from(
    { length: 20 },
    (_, rounds) => fitCentroids(points, { ...task, centroids: 12, rounds }).error,
  );
  for (let round = 1; round < errors.length; round++)
    expect(errors[round]).toBeLessThanOrEqual(errors[round - 1] * (1 + 1e-6));
  expect(errors[19]).toBeLessThan(0.9 * errors[0]);
});

describe.each(["euclid", "chebyshev"] as const)("near by %s", (nearness) => {
  const distanceFunction = nearness === "euclid" ? squared : chebyshev;

  test("rounds do what ml-kmeans does from the same start", () => {
    for (const [vector, centroids, rounds] of [
      [1, 5, 4],
      [2, 16, 25],
      [3, 7, 2],
      [8, 20, 10],
    ]) {
      const points = clouds(400, vector, centroids);
      const shape = { ...task, vector, centroids, nearness };
      const start = vectors(fitCentroids(points, { ...shape, rounds: 0 }).centroids, vector);
      const oracle = kmeans(vectors(points, vector), centroids, {
        ...{ initialization: start, maxIterations: rounds, tolerance: 0, distanceFunction },
      });
      const found = vectors(fitCentroids(points, { ...shape, rounds }).centroids, vector);
      for (const [id, centroid] of found.entries())
        expect(Math.sqrt(squared(centroid, oracle.centroids[id]))).toBeLessThan(1e-4);
    }
  });

  test("a centroid that loses all its points finds others", () => {
    let cases = 0;
    for (let seed = 0; seed < 300; seed++) {
      const next = integers(seed + 5);
      const even = Float32Array.from({ length: 200 }, () => next(1000) / 8);
      for (const [points, centroids] of [[clouds(40, 2, seed), 12] as const, [even, 30] as const]) {
        const shape = { ...task, centroids, nearness, keys: [seed] };
        const start = vectors(fitCentroids(points, { ...shape, rounds: 0 }).centroids, 2);
        const { clusters } = kmeans(vectors(points, 2), centroids, {
          initialization: start,
          distanceFunction,
        });
        if (new Set(clusters).size === centroids) continue; // ml-kmeans leaves an empty cluster as it is
        cases++;
        const found = fitCentroids(points, shape).centroids;
        expect(new Set(cellsOf(points, found, 2, nearness).ids).size).toBe(centroids);
      }
    }
    expect(cases).toBeGreaterThan(0);
  });

  test("with fewer distinct points than centroids every point is a centroid", () => {
    const distinct = [
      [1, 2],
      [1, 3],
      [-4, 2],
    ];
    const points = Float32Array.from({ length: 30 }, (_, i) => distinct.flat()[i % 6]);
    const { centroids, error } = fitCentroids(points, { ...task, centroids: 8, nearness, restarts: 3 });
    expect(error).toBe(0);
    expect(sorted([...new Set(vectors(centroids, 2).map(String))])).toEqual(sorted(distinct.map(String)));
  });

  test("one point, and points that are all alike", () => {
    for (const points of [Float32Array.of(3, -1), new Float32Array(40).fill(0.25)]) {
      const { centroids, error } = fitCentroids(points, { ...task, centroids: 4, nearness });
      expect(vectors(centroids, 2)).toEqual(new Array(4).fill([...points.subarray(0, 2)]));
      expect(error).toBe(0);
    }
  });
});

test("cells by Chebyshev's distance are others than by Euclid's", () => {
  const points = Float32Array.of(0, 0);
  const centroids = Float32Array.of(3, 0, 2.5, 2.5);
  expect(cellsOf(points, centroids, 2, "chebyshev")).toEqual({
    ...{ ids: Uint8Array.of(1), distances: Float32Array.of(2.5) },
  });
  expect(cellsOf(points, centroids, 2, "euclid")).toEqual({
    ...{ ids: Uint8Array.of(0), distances: Float32Array.of(9) },
  });
});

test("the start is drawn by squared distance: a far point is hardly ever missed", () => {
  const points = Float32Array.from({ length: 1000 }, (_, i) => (i === 600 ? 1000 : (i % 7) / 7));
  const missed = Array.from({ length: 200 }, (_, key) =>
    fitCentroids(points, { ...task, vector: 1, centroids: 2, rounds: 0, keys: [key] }),
  ).filter(({ centroids }) => !centroids.includes(1000));
  expect(missed.length).toBeLessThan(3); // it has 99.98 % of the squares
});

/** Points around eight centres. */
function clouds(count: number, vector: number, seed: number): Float32Array {
  const next = integers(seed + 77);
  const centres = Array.from({ length: 8 * vector }, () => next(2000) / 100);
  return Float32Array.from({ length: count * vector }, (_, at) => {
    const centre = Math.floor(at / vector) % 8;
    return centres[centre * vector + (at % vector)] + (next(1000) + next(1000)) / 500 - 2;
  });
}

function vectors(values: Float32Array, vector: number): number[][] {
  return Array.from({ length: values.length / vector }, (_, at) => [
    ...values.subarray(at * vector, (at + 1) * vector),
  ]);
}

function sorted<Value>(values: readonly Value[]): Value[] {
  return values.toSorted((a, b) => (String(a) < String(b) ? -1 : 1));
}

function squared(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
}

function chebyshev(a: readonly number[], b: readonly number[]): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** The least squared error of points on a line: clusters are runs of the sorted points. */
function leastErrorOnALine(points: readonly number[], clusters: number): number {
  const line = points.toSorted((a, b) => a - b);
  const errorOf = (first: number, last: number) => {
    const run = line.slice(first, last);
    const mean = run.reduce((sum, value) => sum + value, 0) / run.length;
    return run.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  let least = line.map((_, at) => errorOf(0, at + 1)); // of the points up to each, with one cluster
  for (let cluster = 1; cluster < clusters; cluster++) {
    least = line.map((_, at) =>
      Math.min(
        ...line.slice(0, at + 1).map((_, from) => (from === 0 ? 0 : least[from - 1]) + errorOf(from, at + 1)),
      ),
    );
  }
  return least[line.length - 1];
}
