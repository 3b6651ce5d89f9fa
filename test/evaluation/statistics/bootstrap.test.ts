import { expect, test } from "vitest";
import { bootstrap, resampleCount } from "../../../src/evaluation/statistics/bootstrap.js";

test("each resample draws as many examples as there are", () => {
  const sums = bootstrap(37, (times) => times.reduce((sum, count) => sum + count, 0));
  expect(sums).toEqual(new Float64Array(resampleCount).fill(37));
});

test("each example is drawn once a resample on average, with a binomial's spread", () => {
  const examples = 50;
  const [sums, squares] = [new Float64Array(examples), new Float64Array(examples)];
  bootstrap(examples, (times) => {
    for (const [at, count] of times.entries()) {
      sums[at] += count;
      squares[at] += count * count;
    }
    return 0;
  });
  for (const [at, sum] of sums.entries()) {
    const mean = sum / resampleCount;
    // Standard error √(0.98 / 1000) = 0.031; the variance n (1/n) (1 − 1/n) = 0.98.
    expect(Math.abs(mean - 1)).toBeLessThan(5 * 0.031);
    expect(Math.abs(squares[at] / resampleCount - mean * mean - 0.98)).toBeLessThan(0.3);
  }
});

test("values ascend, without those that are none, and are the same each time", () => {
  const statistic = (times: Uint32Array) => (times[0] === 0 ? Number.NaN : times[0] - times[1]);
  const values = bootstrap(5, statistic);
  expect(values.length).toBeLessThan(resampleCount);
  expect(values.length).toBeGreaterThan(500); // (1 − 1/5)⁵ = 0.33 of the resamples are without the first
  expect(values).toEqual(Float64Array.from(values).sort());
  expect(bootstrap(5, statistic)).toEqual(values);
});
