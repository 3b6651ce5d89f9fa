import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { accuracy } from "../../src/evaluation/metrics/accuracy.js";
import { binaryF1 } from "../../src/evaluation/metrics/classification.js";
import { squadMetrics } from "../../src/evaluation/metrics/squad.js";
import { bitsPerByte } from "../../src/evaluation/metrics/text.js";
import { scoreAnswers } from "../../src/evaluation/score-answers.js";
import { classified, predicted, scoredText, spanned } from "./metrics/examples.js";

test("every metric is scored by its name, with a standard error", () => {
  const examples = [predicted(1, 1), predicted(1, 1), predicted(1, 1), predicted(1, 0)];
  const [acc, f1] = scoreAnswers([accuracy, binaryF1], examples);
  expect(acc).toEqual({ name: "acc", value: 3 / 4, standardError: 1 / 4, higherIsBetter: true });
  expect(f1).toMatchObject({ name: "f1", value: 6 / 7 });
  expect(f1.standardError).toBeGreaterThan(0);
});

test("the same answers give the same numbers to the last bit", () => {
  const examples = Array.from({ length: 50 }, (_, at) => scoredText(-at - 1, 3, at + 2));
  expect(scoreAnswers([bitsPerByte], examples)).toEqual(scoreAnswers([bitsPerByte], examples));
});

test("a metric that no example bears on is left out", () => {
  const names = scoreAnswers(squadMetrics, [spanned("", []), spanned("cat", [])]).map(({ name }) => name);
  expect(names).toEqual(["exact", "f1", "NoAns_exact", "NoAns_f1"]);
});

test("no examples have no scores; one has no standard error", () => {
  expect(scoreAnswers([accuracy, binaryF1], [])).toEqual([]);
  expect(scoreAnswers([binaryF1], [predicted(1, 1)])).toMatchObject([{ value: 1, standardError: null }]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "an answer of %d is an error that names the example, never a score",
  (logit) => {
    const examples = [predicted(1, 1), classified([logit, 0], 1)];
    expect(() => scoreAnswers([accuracy], examples)).toThrow(LuthierError);
    expect(() => scoreAnswers([accuracy], examples)).toThrow(`answers example 2 with ${logit}`);
  },
);
