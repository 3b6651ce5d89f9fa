import fc from "fast-check";
import { expect, test } from "vitest";
import { binaryF1, matthewsCorrelation } from "../../../src/evaluation/metrics/classification.js";
import { metricOf, predicted } from "./examples.js";

/** Examples of two classes: how many of each prediction and truth. */
function confusion(counts: { tp: number; fp: number; fn: number; tn: number }) {
  const { tp, fp, fn, tn } = counts;
  const times = (count: number, prediction: number, gold: number) =>
    Array.from({ length: count }, () => predicted(prediction, gold));
  return [...times(tp, 1, 1), ...times(fp, 1, 0), ...times(fn, 0, 1), ...times(tn, 0, 0)];
}

test("f1 is the harmonic mean of the precision and recall of class 1", () => {
  // precision 3/4, recall 3/5: 2 · (3/4 · 3/5) / (3/4 + 3/5) = (9/10) / (27/20) = 2/3
  expect(metricOf(binaryF1, confusion({ tp: 3, fp: 1, fn: 2, tn: 4 }))).toBeCloseTo(2 / 3, 15);
});

test("f1 where nothing is, or is said to be, class 1 is 0, as scikit-learn's zero_division has it", () => {
  expect(metricOf(binaryF1, confusion({ tp: 0, fp: 0, fn: 0, tn: 5 }))).toBe(0);
  expect(metricOf(binaryF1, confusion({ tp: 0, fp: 0, fn: 3, tn: 5 }))).toBe(0);
  expect(metricOf(binaryF1, confusion({ tp: 0, fp: 2, fn: 0, tn: 5 }))).toBe(0);
});

test("mcc of scikit-learn's own example is -1/3", () => {
  // y_true = [+1, +1, +1, -1], y_pred = [+1, -1, +1, +1]: (tp tn − fp fn) / √(3 · 3 · 1 · 1) = (0 − 1) / 3
  expect(metricOf(matthewsCorrelation, confusion({ tp: 2, fp: 1, fn: 1, tn: 0 }))).toBeCloseTo(-1 / 3, 15);
});

test("mcc is 1 where all is right and -1 where all is wrong", () => {
  expect(metricOf(matthewsCorrelation, confusion({ tp: 3, fp: 0, fn: 0, tn: 2 }))).toBe(1);
  expect(metricOf(matthewsCorrelation, confusion({ tp: 0, fp: 3, fn: 2, tn: 0 }))).toBe(-1);
});

test("mcc is 0 where all are predicted, or all are, of one class", () => {
  expect(metricOf(matthewsCorrelation, confusion({ tp: 4, fp: 3, fn: 0, tn: 0 }))).toBe(0);
  expect(metricOf(matthewsCorrelation, confusion({ tp: 4, fp: 0, fn: 3, tn: 0 }))).toBe(0);
});

test("mcc of two classes is (tp tn − fp fn) / √((tp+fp)(tp+fn)(tn+fp)(tn+fn))", () => {
  const count = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(fc.record({ tp: count, fp: count, fn: count, tn: count }), (counts) => {
      const { tp, fp, fn, tn } = counts;
      const expected = (tp * tn - fp * fn) / Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
      expect(metricOf(matthewsCorrelation, confusion(counts))).toBeCloseTo(expected, 12);
    }),
  );
});

test("mcc of three classes follows Gorodkin's formula", () => {
  const pairs = [
    [0, 0],
    [0, 0],
    [1, 1],
    [2, 1],
    [2, 2],
    [0, 2],
  ] as const;
  // n = 6, right 4; predicted 3, 1, 2; true 2, 2, 2: (4·6 − (3·2 + 1·2 + 2·2)) / √((36 − 14)(36 − 12)) = 12 / √528
  const examples = pairs.map(([prediction, gold]) => predicted(prediction, gold, 3));
  expect(metricOf(matthewsCorrelation, examples)).toBeCloseTo(12 / Math.sqrt(528), 15);
});
