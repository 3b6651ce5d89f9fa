import { expect, test } from "vitest";
import { accuracy } from "../../../src/evaluation/metrics/accuracy.js";
import { continuationPerplexity } from "../../../src/evaluation/metrics/continuation.js";
import { squadMetrics } from "../../../src/evaluation/metrics/squad.js";
import { pairedDifference } from "../../../src/evaluation/statistics/paired-difference.js";
import { randomStream } from "../../../src/kernels/random.js";

const examples = 500;
const ones = new Float64Array(examples).fill(1);
const uniform = randomStream(3);
const first = Float64Array.from({ length: examples }, () => Number(uniform() < 0.9));
const flipped = first.map((value) => (uniform() < 0.1 ? 1 - value : value));

test("a model that answers as the reference does differs by nothing at all", () => {
  const same = { first, second: ones };
  expect(pairedDifference(accuracy, same, same)).toEqual({ difference: 0, interval: [0, 0] });
});

test("of means the interval is that of the mean of the examples' differences", () => {
  const found = pairedDifference(accuracy, { first, second: ones }, { first: flipped, second: ones });
  const each = flipped.map((value, at) => value - first[at]);
  const mean = each.reduce((sum, value) => sum + value, 0) / examples;
  const variance = each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (examples - 1);
  const half = 1.96 * Math.sqrt(variance / examples);
  expect(found?.difference).toBeCloseTo(mean, 12);
  expect(found?.interval[0]).toBeCloseTo(mean - half, 2);
  expect(found?.interval[1]).toBeCloseTo(mean + half, 2);
  // Unpaired, the interval would be far wider: 1.96 √(2 · 0.09 / 500) = 0.037 to each side.
  expect(half).toBeLessThan(0.03);
});

test("a perplexity that is larger by the same factor throughout differs in every resample", () => {
  const reference = { first: first.map((value) => -1 - value), second: ones };
  const model = { first: reference.first.map((value) => value - 0.1), second: ones };
  const found = pairedDifference(continuationPerplexity, reference, model);
  expect(found?.interval[0]).toBeGreaterThan(0);
});

test("a metric without a value has no difference", () => {
  const none = { first: new Float64Array(3), second: new Float64Array(3) };
  const hasAnswer = squadMetrics.find(({ name }) => name === "HasAns_f1");
  expect(hasAnswer && pairedDifference(hasAnswer, none, none)).toBeNull();
});
