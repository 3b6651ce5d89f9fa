import fc from "fast-check";
import { expect, test } from "vitest";
import { binned, logBinned } from "../../src/report/bins.js";

test("every value is in the bin that holds it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 }), { minLength: 2 }),
      (values) => {
        const { first, width, counts } = binned(Float32Array.from(values), 7);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
        for (const [at, count] of counts.entries()) {
          const slack = 1e-9 * (1 + Math.abs(first));
          const inside = values.filter(
            (value) => value >= first + at * width - slack && value <= first + (at + 1) * width + slack,
          );
          expect(inside.length).toBeGreaterThanOrEqual(count);
        }
      },
    ),
  );
});

test("known counts, the most in the last bin", () => {
  expect(binned(Float32Array.of(0, 1, 2, 3, 4), 4)).toEqual({ first: 0, width: 1, counts: [1, 1, 1, 2] });
});

test("what is not finite is not counted", () => {
  expect(binned(Float32Array.of(Number.NaN, 0, Number.POSITIVE_INFINITY, 2), 2).counts).toEqual([1, 1]);
});

test("equal values, or none, are one bin without width", () => {
  expect(binned(Float32Array.of(2, 2), 4)).toEqual({ first: 2, width: 0, counts: [2] });
  expect(binned(Float32Array.of(), 4)).toEqual({ first: 0, width: 0, counts: [0] });
});

test("over the logarithm zeros have no bin", () => {
  expect(logBinned(Float32Array.of(0, 1, 10, 100), 2)).toEqual({ first: 0, width: 1, counts: [1, 2] });
});
