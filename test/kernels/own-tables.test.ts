import fc from "fast-check";
import { expect, test } from "vitest";
import { type OwnTablesTask, ownTables } from "../../src/kernels/own-tables.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { integers, seeds } from "../targets/random-weights.js";

test("values are the means of their weights where these lie in as many heaps", () => {
  const w = Float32Array.of(7, -2, 1, 9, -2.5, 8, 1.5, -3);
  const { codes, tables } = ownTables(w, task(8, 3));
  expect([...tables]).toEqual([-2.5, 1.25, 8]);
  expect([...codes]).toEqual([2, 0, 1, 2, 0, 2, 1, 0]);
});

test("no way to put the weights in clusters has a smaller weighted error", () => {
  const sizes = fc.record({
    ...{ seed: seeds, count: fc.integer({ min: 1, max: 7 }), values: fc.integer({ min: 2, max: 3 }) },
    reach: fc.constantFrom(3, 1000), // many equal weights, or hardly any
  });
  fc.assert(
    fc.property(sizes, ({ seed, count, values, reach }) => {
      const next = integers(seed);
      const w = Float32Array.from({ length: count }, () => next(2 * reach) - reach);
      const importance = Float64Array.from({ length: count }, () => 1 + next(5));
      const { codes, tables } = ownTables(w, { group: count, values, importance });
      const error = w.reduce((sum, value, i) => sum + importance[i] * (value - tables[codes[i]]) ** 2, 0);
      // Rounding a mean m to float16 adds the square of at most m · 2^-11 for each weight.
      const rounding = importance.reduce((sum, each) => sum + each, 0) * (reach * 2 ** -11) ** 2;
      const least = leastError([...w], [...importance], values);
      expect(error).toBeGreaterThan(least - 1e-9);
      expect(error).toBeLessThan(least + rounding + 1e-9);
    }),
    { numRuns: 60, seed: 1 },
  );
});

/** Over all assignments of weights to clusters, contiguous or not. */
function leastError(w: readonly number[], importance: readonly number[], clusters: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let choice = 0; choice < clusters ** w.length; choice++) {
    const clusterOf = w.map((_, i) => Math.floor(choice / clusters ** i) % clusters);
    let error = 0;
    for (let cluster = 0; cluster < clusters; cluster++) {
      const members = w.flatMap((value, i) => (clusterOf[i] === cluster ? [[value, importance[i]]] : []));
      const mass = members.reduce((sum, [, each]) => sum + each, 0);
      const mean = members.reduce((sum, [value, each]) => sum + value * each, 0) / mass;
      error += members.reduce((sum, [value, each]) => sum + each * (value - mean) ** 2, 0);
    }
    least = Math.min(least, error);
  }
  return least;
}

test("more weights: as good as the plain dynamic programme over all beginnings", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 2, max: 16 }), (seed, values) => {
      const next = integers(seed);
      const w = Float32Array.from({ length: 120 }, () => (next(2000) - 1000) / 512);
      const importance = Float64Array.from({ length: 120 }, () => next(4) * next(1000));
      const { codes, tables } = ownTables(w, { group: 120, values, importance });
      const error = w.reduce((sum, value, i) => sum + importance[i] * (value - tables[codes[i]]) ** 2, 0);
      const mass = importance.reduce((sum, each) => sum + each, 0);
      const least = plainProgramme(w, importance, values);
      expect(error).toBeGreaterThan(least * (1 - 1e-9) - 1e-9);
      expect(error).toBeLessThan(least + mass * (2 * 2 ** -12) ** 2 + 1e-9);
    }),
    { numRuns: 30, seed: 2 },
  );
});

/** O(c n²), each cluster's error by its definition. */
function plainProgramme(w: Float32Array, importance: Float64Array, clusters: number): number {
  const order = [...w.keys()].sort((a, b) => w[a] - w[b]);
  const error = order.map((_, begin) => {
    const upTo: number[] = [];
    let [mass, mean, sum] = [0, 0, 0];
    for (const i of order.slice(begin)) {
      // West's running mean and sum of squares.
      mass += importance[i];
      const step = w[i] - mean;
      mean += mass > 0 ? (step * importance[i]) / mass : 0;
      sum += importance[i] * step * (w[i] - mean);
      upTo.push(sum);
    }
    return upTo;
  });
  let best = [0, ...error[0]];
  for (let cluster = 2; cluster <= clusters; cluster++) {
    best = best.map((_, end) =>
      Math.min(
        ...best
          .slice(0, end + 1)
          .map((sum, begin) => (begin < end ? sum + error[begin][end - begin - 1] : sum)),
      ),
    );
  }
  return best[w.length];
}

test("fewer different weights than values: each is kept, the last value is repeated", () => {
  const { codes, tables } = ownTables(Float32Array.of(0.5, -1, 0.5, -1), task(4, 4));
  expect([...tables]).toEqual([-1, 0.5, 0.5, 0.5]);
  expect([...codes].map((code) => tables[code])).toEqual([0.5, -1, 0.5, -1]);
});

test("values are float16", () => {
  const next = integers(5);
  const { tables } = ownTables(
    Float32Array.from({ length: 64 }, () => next(1000) / 997),
    task(64, 8),
  );
  for (const value of tables) expect(roundToFloat16(value)).toBe(value);
});

test("without importance of any weight of a run, all count the same", () => {
  const w = Float32Array.of(1, 2, 5, 6, 1, 2, 5, 6);
  const importance = Float64Array.of(0, 0, 0, 0, 1, 0, 0, 1);
  const { tables } = ownTables(w, { group: 4, values: 2, importance });
  expect([...tables]).toEqual([1.5, 5.5, 1, 6]);
});

test("a weight whose importance is nothing beside the others' has no value of its own, and takes the nearest", () => {
  const w = Float32Array.of(1, 2, 100, 3);
  const { codes, tables } = ownTables(w, {
    group: 4,
    values: 3,
    importance: Float64Array.of(1, 1, 1e-12, 1),
  });
  expect([...tables]).toEqual([1, 2, 3]);
  expect([...codes]).toEqual([0, 1, 2, 2]);
});

test("each group of a row has its table and its part of the importance", () => {
  const w = Float32Array.of(1, 2, 4, 1, 2, 4);
  const importance = Float64Array.of(1, 3, 1, 3, 1, 1);
  const { tables } = ownTables(w, { group: 3, values: 2, importance });
  expect([...tables]).toEqual([1.75, 4, 1.25, 4]);
});

test("a task that does not fit its weights is refused", () => {
  const w = new Float32Array(12);
  for (const wrong of [
    { group: 4, importance: new Float64Array(5) },
    { group: 4, importance: new Float64Array(6) },
    { group: 3, importance: Float64Array.of(1, -1, 1) },
    { group: 3, importance: Float64Array.of(1, Number.NaN, 1) },
    { group: 3, importance: Float64Array.of(1, Number.POSITIVE_INFINITY, 1) },
  ])
    expect(() => ownTables(w, { ...wrong, values: 4 })).toThrow(RangeError);
});

function task(group: number, values: number): OwnTablesTask {
  return { group, values, importance: new Float64Array(group).fill(1) };
}
