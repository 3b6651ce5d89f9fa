import { expect, test } from "vitest";
import { accuracy } from "../../../src/evaluation/metrics/accuracy.js";
import { binaryF1 } from "../../../src/evaluation/metrics/classification.js";
import { pearson } from "../../../src/evaluation/metrics/correlation.js";
import { standardError } from "../../../src/evaluation/statistics/standard-error.js";
import { randomStream } from "../../../src/kernels/random.js";

const ones = (count: number) => new Float64Array(count).fill(1);

test("of a mean it is the sample standard deviation over √n", () => {
  // 1, 1, 1, 0: mean 3/4, Σ (x − mean)² = 3/16 + 9/16 = 3/4, s = √(1/4), s / √4 = 1/4
  expect(standardError(accuracy, Float64Array.of(1, 1, 1, 0), ones(4))).toBeCloseTo(1 / 4, 15);
});

test("bootstrapped, a mean has the standard error that the formula gives", () => {
  const uniform = randomStream(1);
  const right = Float64Array.from({ length: 400 }, () => Number(uniform() < 0.8));
  const byFormula = standardError(accuracy, right, ones(400)) ?? 0;
  const bootstrapped = standardError({ ...accuracy, isMean: false }, right, ones(400)) ?? 0;
  // A standard deviation of 1,000 values is known to 1 / √2000 = 2.2 %.
  expect(Math.abs(bootstrapped / byFormula - 1)).toBeLessThan(0.08);
});

test("bootstrapped, Pearson's correlation ρ has about (1 − ρ²) / √n", () => {
  const uniform = randomStream(2);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const x = Float64Array.from({ length: 2000 }, normal);
  const y = x.map((value) => 0.8 * value + 0.6 * normal());
  const expected = (1 - 0.8 ** 2) / Math.sqrt(2000);
  expect(Math.abs((standardError(pearson, x, y) ?? 0) / expected - 1)).toBeLessThan(0.15);
});

test("one example or none has no standard error", () => {
  expect(standardError(accuracy, ones(1), ones(1))).toBeNull();
  expect(standardError(binaryF1, ones(0), ones(0))).toBeNull();
});
