import { expect, test } from "vitest";
import { accuracy, normalizedAccuracy } from "../../../src/evaluation/metrics/accuracy.js";
import { chosen, classified, metricOf, spanned } from "./examples.js";

test("acc is the share of examples whose largest logit is that of the right class", () => {
  const examples = [
    classified([0.1, 2, -1], 1), // right
    classified([3, 2, 1], 1), // wrong
    classified([-3, -2, -1], 2), // right
  ];
  expect(metricOf(accuracy, examples)).toBeCloseTo(2 / 3, 15);
});

test("acc of choices takes the likeliest, and the first of equals", () => {
  expect(metricOf(accuracy, [chosen([-5, -3, -4], 1)])).toBe(1);
  expect(metricOf(accuracy, [chosen([-3, -3], 0)])).toBe(1);
  expect(metricOf(accuracy, [chosen([-3, -3], 1)])).toBe(0);
});

test("acc_norm divides each log-likelihood by the choice's characters", () => {
  // -6 / 2 = -3 for "no"; -10 / 20 = -0.5 for a choice of twenty characters: the longer one wins.
  const example = chosen([-6, -10], 1, { lengths: [2, 20] });
  expect(metricOf(accuracy, [example])).toBe(0);
  expect(metricOf(normalizedAccuracy, [example])).toBe(1);
});

test("acc_norm without the lengths of all choices is refused", () => {
  expect(() => normalizedAccuracy.of(chosen([-6, -10], 1))).toThrow(
    "acc_norm needs the lengths of 2 choices, not 0",
  );
  expect(() => normalizedAccuracy.of(chosen([-6, -10], 1, { lengths: [2] }))).toThrow("not 1");
});

test("an answer of another kind is refused by name", () => {
  expect(() => accuracy.of(spanned("Paris", ["Paris"]))).toThrow(
    "acc scores choices or classes against index, not span against texts",
  );
});
