import { expect, test } from "vitest";
import { compareAnswers } from "../../src/evaluation/compare-answers.js";
import { accuracy } from "../../src/evaluation/metrics/accuracy.js";
import { matthewsCorrelation } from "../../src/evaluation/metrics/classification.js";
import { pearson } from "../../src/evaluation/metrics/correlation.js";
import { squadMetrics } from "../../src/evaluation/metrics/squad.js";
import { bitsPerByte } from "../../src/evaluation/metrics/text.js";
import { chosen, classified, predicted, regressed, scoredText, spanned } from "./metrics/examples.js";

test("of answers to the same examples: the difference, its interval and McNemar's test", () => {
  const reference = [0, 0, 0, 0, 0, 0, 1, 1].map((gold) => predicted(0, gold));
  const model = [1, 1, 1, 1, 1, 0, 1, 0].map((prediction, at) => predicted(prediction, at < 6 ? 0 : 1));
  const { metrics, agreement } = compareAnswers([accuracy, matthewsCorrelation], reference, model);
  // Right: 6 of the reference, 2 of the model. The first five only of the reference, the seventh only of the model.
  expect(metrics[0]).toMatchObject({ name: "acc", difference: -4 / 8 });
  expect(metrics[0].mcnemar).toEqual({ onlyReference: 5, onlyModel: 1, p: expect.closeTo(14 / 64, 12) });
  const [low, high] = metrics[0].interval;
  expect(low).toBeGreaterThanOrEqual(-1);
  expect(low).toBeLessThan(-4 / 8);
  expect(high).toBeGreaterThan(-4 / 8);
  expect(metrics[1].mcnemar).toBeNull();
  expect(agreement).toBe(2 / 8);
});

test("the divergence of classes is the mean of Σ p ln(p / q) of the softmax distributions", () => {
  const reference = [classified([Math.log(3), 0], 0), classified([5, 5], 1)];
  const model = [classified([0, 0], 0), classified([-2, -2], 1)];
  // (3/4, 1/4) against (1/2, 1/2), and no difference.
  const first = 0.75 * Math.log(0.75 / 0.5) + 0.25 * Math.log(0.25 / 0.5);
  expect(compareAnswers([], reference, model).divergence).toBeCloseTo(first / 2, 14);
});

test("choices' likelihoods are renormalised over the choices", () => {
  const shifted = (shift: number) => [chosen([Math.log(3) - shift, -shift, -shift], 0)];
  const found = compareAnswers([accuracy], shifted(400), shifted(2));
  expect(found.divergence).toBeCloseTo(0, 12);
  expect(found.agreement).toBe(1);
});

test("a regression has neither agreement nor divergence", () => {
  const of = (factor: number) => [1, 2, 4, 3].map((gold, at) => regressed(at * factor + (at % 2), gold));
  const found = compareAnswers([pearson], of(1), of(2));
  expect(found).toMatchObject({ agreement: null, divergence: null });
  expect(found.metrics[0].name).toBe("pearson");
});

test("texts have neither; one continuation alone is no choice", () => {
  const text = [scoredText(-3, 1, 4), scoredText(-2, 1, 4)];
  expect(compareAnswers([bitsPerByte], text, text)).toMatchObject({ agreement: null, divergence: null });
  const single = [chosen([-3], 0)];
  expect(compareAnswers([], single, single)).toEqual({ metrics: [], agreement: null, divergence: null });
});

test("spans agree when the answers that count are the same text", () => {
  const silent = { kind: "span", text: "Paris", score: 0, noAnswerScore: 5 } as const;
  const reference = [spanned("Paris", ["Paris"]), spanned("Rome", ["Paris"]), spanned("", [])];
  const model = [
    spanned("Paris", ["Paris"]),
    spanned("Oslo", ["Paris"]),
    { gold: { kind: "texts", texts: [] } as const, answer: silent },
  ];
  const found = compareAnswers(squadMetrics, reference, model);
  expect(found.agreement).toBe(2 / 3);
  expect(found.divergence).toBeNull();
  expect(found.metrics.map(({ name, difference }) => [name, difference])).toEqual(
    squadMetrics.map(({ name }) => [name, 0]),
  );
});

test("McNemar's test is for right and wrong, not for shares of words", () => {
  const answers = [spanned("big cat", ["cat"]), spanned("cat", ["cat"])];
  const [exact, f1] = compareAnswers(squadMetrics, answers, answers).metrics;
  expect(exact.mcnemar).toEqual({ onlyReference: 0, onlyModel: 0, p: 1 });
  expect(f1.mcnemar).toBeNull();
});

test("a metric without a value is left out; no examples have no comparison", () => {
  const answers = [spanned("", [])];
  expect(compareAnswers(squadMetrics, answers, answers).metrics.map(({ name }) => name)).not.toContain(
    "HasAns_f1",
  );
  expect(compareAnswers([accuracy], [], [])).toEqual({ metrics: [], agreement: null, divergence: null });
});

test("answers that do not pair are refused", () => {
  const [one, other] = [predicted(1, 1), chosen([-1, -2], 1)];
  expect(() => compareAnswers([accuracy], [one], [one, one])).toThrow("2 answers cannot be paired with 1");
  expect(() => compareAnswers([accuracy], [one], [other])).toThrow(
    "an answer of choices cannot be compared with one of classes",
  );
  expect(() => compareAnswers([], [one], [predicted(1, 1, 3)])).toThrow("3 classes or choices");
});
