import fc from "fast-check";
import { expect, test } from "vitest";
import { leastErrorRange, type Range } from "../../src/quantizers/least-error-range.js";
import { integers, seeds } from "../targets/random-weights.js";

test("no shrunken range leaves much less error of the values themselves", () => {
  const shape = fc.record({ length: fc.integer({ min: 2, max: 300 }), levels: fc.constantFrom(1, 3, 15) });
  fc.assert(
    fc.property(shape, seeds, ({ length, levels }, seed) => {
      const next = integers(seed);
      const values = Float32Array.from({ length }, () => (next(2001) - 900) ** 3 / 1e8);
      const weights = Float32Array.from({ length }, () => next(5));
      const met = values.filter((_, i) => weights[i] > 0);
      if (new Set(met).size < 2) return;
      const [least, most] = [Math.min(...met), Math.max(...met)];
      const errors = Array.from({ length: 90 }, (_, shrink) => {
        const kept = 1 - shrink / 100;
        return error(
          values,
          weights,
          { minimum: least * kept, step: ((most - least) * kept) / levels },
          levels,
        );
      });
      // Values count as the middles of 4096 cells: each is off by half a cell at most.
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const off = Math.sqrt(total) * ((most - least) / 8192);
      const found = Math.sqrt(error(values, weights, leastErrorRange(values, weights, levels), levels));
      expect(found).toBeLessThanOrEqual(Math.sqrt(Math.min(...errors)) + 2 * off + 1e-6);
    }),
    { numRuns: 150, seed: 1 },
  );
});

test("a rare outlier is cut off", () => {
  const values = Float32Array.of(...Array.from({ length: 100 }, (_, i) => i / 100 - 0.5), 4);
  const { minimum, step } = leastErrorRange(values, new Float32Array(101).fill(1), 3);
  expect(minimum + 3 * step).toBeLessThan(4);
  // The same, met more often than all others together, is kept.
  const weights = new Float32Array(101).fill(1).fill(1000, 100);
  const kept = leastErrorRange(values, weights, 3);
  expect(kept.minimum + 3 * kept.step).toBeCloseTo(4, 1);
});

test("values that lie on the levels of the whole range keep it", () => {
  expect(leastErrorRange(Float32Array.of(-1, 0, 1, 2), Float32Array.of(1, 1, 1, 1), 3)).toEqual({
    minimum: -1,
    step: 1,
  });
});

test("values that never occur do not count", () => {
  const [values, weights] = [Float32Array.of(-1, 0.5, 2), Float32Array.of(3, 1, 2)];
  const more = [Float32Array.of(-99, ...values, 1e9), Float32Array.of(0, ...weights, 0)] as const;
  expect(leastErrorRange(...more, 15)).toEqual(leastErrorRange(values, weights, 15));
});

test("one value is the first level", () => {
  expect(leastErrorRange(Float32Array.of(0.75), Float32Array.of(2), 15)).toEqual({ minimum: 0.75, step: 1 });
  expect(leastErrorRange(new Float32Array(9).fill(-3), new Float32Array(9).fill(1), 255)).toEqual({
    minimum: -3,
    step: 1,
  });
});

test("no value at all has a range too", () => {
  const range = { minimum: 0, step: 1 };
  expect(leastErrorRange(new Float32Array(0), new Float32Array(0), 15)).toEqual(range);
  expect(leastErrorRange(Float32Array.of(5, 7), new Float32Array(2), 15)).toEqual(range);
});

function error(
  values: Float32Array,
  weights: Float32Array,
  { minimum, step }: Range,
  levels: number,
): number {
  return values.reduce((sum, value, i) => {
    const all = Array.from({ length: levels + 1 }, (_, k) => (value - minimum - step * k) ** 2);
    return sum + weights[i] * Math.min(...all);
  }, 0);
}
