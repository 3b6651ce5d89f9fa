import { expect, test } from "vitest";
import { continuationPerplexity, greedyAccuracy } from "../../../src/evaluation/metrics/continuation.js";
import { chosen, metricOf } from "./examples.js";

const examples = [
  chosen([Math.log(1 / 2)], 0, { greedy: [true] }),
  chosen([Math.log(1 / 8)], 0, { greedy: [false] }),
];

test("acc is the share of continuations that greedy decoding gives", () => {
  expect(metricOf(greedyAccuracy, examples)).toBe(1 / 2);
});

test("perplexity is the inverse of the geometric mean of the continuations' probabilities", () => {
  // exp(-(ln 1/2 + ln 1/8) / 2) = exp(ln 16 / 2) = 4
  expect(metricOf(continuationPerplexity, examples)).toBeCloseTo(4, 12);
});
