import fc from "fast-check";
import { expect, test } from "vitest";
import { pearson, spearman } from "../../../src/evaluation/metrics/correlation.js";
import { classified, metricOf, regressed } from "./examples.js";

function regression(predictions: readonly number[], golds: readonly number[]) {
  return predictions.map((prediction, at) => regressed(prediction, golds[at]));
}

test("pearson worked by hand", () => {
  // x − 2 = (−1, 0, 1), y − 3 = (−2, 1, 1): Σxy = 3, Σx² = 2, Σy² = 6: 3 / √12
  expect(metricOf(pearson, regression([1, 2, 3], [1, 4, 4]))).toBeCloseTo(3 / Math.sqrt(12), 15);
});

test("spearmanr gives equal numbers the mean of their ranks", () => {
  // ranks of x: 1, 2, 3, 4; of y: 1, 2.5, 2.5, 4. Less their mean 2.5: (−1.5, −.5, .5, 1.5), (−1.5, 0, 0, 1.5): 4.5 / √(5 · 4.5)
  const found = metricOf(spearman, regression([10, 20, 30, 40], [1, 7, 7, 100]));
  expect(found).toBeCloseTo(4.5 / Math.sqrt(22.5), 15);
});

test("spearmanr sees only the order", () => {
  expect(metricOf(spearman, regression([-3, 0.1, 5, 1e6], [1, 2, 3, 4]))).toBe(1);
  expect(metricOf(spearman, regression([4, 3, 2, 1], [1, 2, 3, 1e9]))).toBe(-1);
});

test("a model that says the same of all correlates with nothing, however its number rounds", () => {
  for (const constant of [0, 0.1, 1e10 / 3]) {
    const examples = regression(new Array(11).fill(constant), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
    expect(metricOf(pearson, examples)).toBe(0);
    expect(metricOf(spearman, examples)).toBe(0);
  }
});

test("ranks by sorting equal ranks by counting, with equal numbers or without", () => {
  const pair = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }));
  fc.assert(
    fc.property(fc.array(pair, { minLength: 2, maxLength: 30 }), (pairs) => {
      const columns = [0, 1].map((column) => pairs.map((row) => row[column]));
      const [x, y] = columns.map((column) =>
        column.map((value) => {
          const below = column.filter((other) => other < value).length;
          const equal = column.filter((other) => other === value).length;
          return below + (equal + 1) / 2;
        }),
      );
      expect(metricOf(spearman, regression(columns[0], columns[1]))).toBeCloseTo(
        metricOf(pearson, regression(x, y)),
        12,
      );
    }),
  );
});

test("several logits are no regression", () => {
  expect(() => pearson.of({ ...classified([1, 2], 0), gold: { kind: "number", number: 2.5 } })).toThrow(
    "pearson scores a regression's one logit, not 2",
  );
});
