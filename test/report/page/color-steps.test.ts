import fc from "fast-check";
import { expect, test } from "vitest";
import { colorOf, colorOfStep, linearSteps, logarithmicSteps } from "../../../src/report/page/color-steps.js";

const positive = fc.double({ min: 1e-9, max: 1e3, noNaN: true });

test("seven steps at most hold all values, with round bounds", () => {
  expect(linearSteps([0, 1])).toEqual({ bounds: [0, 0.2, 0.4, 0.6, 0.8, 1] });
  fc.assert(
    fc.property(fc.array(positive, { minLength: 1 }), (values) => {
      const { bounds } = linearSteps(values);
      const slack = 1e-9 * Math.max(...values);
      expect(bounds.length).toBeLessThanOrEqual(8);
      expect(bounds[0]).toBeLessThanOrEqual(Math.min(...values) + slack);
      expect(bounds[bounds.length - 1]).toBeGreaterThanOrEqual(Math.max(...values) - slack);
    }),
  );
});

test("logarithmic steps have one ratio", () => {
  const { bounds } = logarithmicSteps([1, 128, 5]);
  expect(bounds).toEqual([1, 2, 4, 8, 16, 32, 64, 128]);
});

test("more is never of an earlier colour; the least has the first, the most the last", () => {
  fc.assert(
    fc.property(fc.uniqueArray(positive, { minLength: 2 }), (values) => {
      for (const steps of [linearSteps(values), logarithmicSteps(values)]) {
        const colors = [...values].sort((a, b) => a - b).map((value) => colorOf(steps, value));
        expect([...colors].sort((a, b) => a - b)).toEqual(colors);
        expect(Math.min(...colors)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...colors)).toBeLessThanOrEqual(6);
      }
    }),
  );
  const steps = linearSteps([0, 1]);
  expect([colorOf(steps, 0), colorOf(steps, 1)]).toEqual([0, 6]);
  expect(colorOfStep(steps, 4)).toBe(6);
});

test("equal values, and none above 0, are one step", () => {
  expect(linearSteps([2, 2]).bounds).toEqual([2, 2]);
  expect(logarithmicSteps([0, 0]).bounds).toEqual([0, 0]);
  expect(colorOf(linearSteps([2, 2]), 2)).toBe(2);
});
