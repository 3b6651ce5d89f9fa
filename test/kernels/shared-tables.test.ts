import fc from "fast-check";
import { expect, test } from "vitest";
import { sharedTables } from "../../src/kernels/shared-tables.js";
import { integers, seeds } from "../targets/random-weights.js";

const tables = [
  [-4, -1, 0, 2],
  [-2, 0, 1, 4],
];

test("the scale makes the largest magnitudes meet; the table with the smaller error is taken", () => {
  const w = Float32Array.of(-1, 0.5, 2, 0, /* mirrored */ 1, -0.5, -2, 0);
  const found = sharedTables(w, { group: 4, tables, powersOfTwo: false });
  expect([...found.scales]).toEqual([0.5, 0.5]);
  expect([...found.selectors]).toEqual([1, 0]);
  expect([...found.codes]).toEqual([0, 2, 3, 1, 3, 1, 0, 2]);
});

test("the first of equally good tables, the lower of equally near values", () => {
  const { codes, selectors } = sharedTables(Float32Array.of(2, 0.5, -0.5, -2), {
    ...{ group: 4, powersOfTwo: false },
    tables: [
      [-1, 0, 0.5, 1],
      [-1, -0.5, 0, 1],
    ],
  });
  expect([...selectors]).toEqual([0]);
  expect([...codes]).toEqual([3, 1, 1, 0]); // 0.5 lies between 0 and 1
});

test("a power of two serves magnitudes from three quarters of it up to one and a half", () => {
  const scaleOf = (most: number) =>
    sharedTables(Float32Array.of(most, 0), { group: 2, tables: [[-1, 0, 1]], powersOfTwo: true }).scales[0];
  expect(scaleOf(0.75)).toBe(1);
  expect(scaleOf(1.4999)).toBe(1);
  expect(scaleOf(1.5)).toBe(2);
  expect(scaleOf(0.0937)).toBe(0.0625);
});

test("zeros keep a scale that is not zero, and stay zeros", () => {
  for (const powersOfTwo of [false, true]) {
    const { codes, scales } = sharedTables(new Float32Array(4), { group: 4, tables, powersOfTwo });
    expect([...scales]).toEqual([2 ** -24]);
    expect([...codes]).toEqual([2, 2, 2, 2]);
  }
});

test("no other table, and no other codes, have a smaller error at the scale of the largest magnitude", () => {
  const shapes = fc.record({ seed: seeds, group: fc.integer({ min: 1, max: 5 }) });
  fc.assert(
    fc.property(shapes, ({ seed, group }) => {
      const next = integers(seed);
      const w = Float32Array.from({ length: group }, () => (next(4000) - 2000) / 1024);
      const { codes, scales, selectors } = sharedTables(w, { group, tables, powersOfTwo: false });
      const errorOf = (table: readonly number[], scale: number, codes: readonly number[]) =>
        w.reduce((sum, value, i) => sum + (value - scale * table[codes[i]]) ** 2, 0);
      const found = errorOf(tables[selectors[0]], scales[0], [...codes]);
      const all = Array.from({ length: 4 ** group }, (_, choice) =>
        Array.from(w, (_, i) => Math.floor(choice / 4 ** i) % 4),
      );
      const errors = tables.flatMap((table) => all.map((codes) => errorOf(table, scales[0], codes)));
      expect(found).toBeLessThan(Math.min(...errors) * (1 + 1e-6) + 1e-12);
    }),
    { numRuns: 60, seed: 1 },
  );
});
