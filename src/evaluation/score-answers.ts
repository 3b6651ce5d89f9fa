import { LuthierError } from "../error.js";
import type { Metric, MetricScore } from "./metric.js";
import type { Answer } from "./question.js";
import type { MetricColumns } from "./statistics/paired-difference.js";
import { standardError } from "./statistics/standard-error.js";
import type { Answered } from "./task.js";

/**
 * What each metric says of some examples, with its standard error. A metric that none of the examples bears on is left out, as
 * `HasAns_exact` where no question has an answer.
 *
 * @throws LuthierError when an answer is no finite number: an activation overflowed on the way.
 */
export function scoreAnswers(
  metrics: readonly Metric[],
  answered: readonly Answered[],
): readonly MetricScore[] {
  if (answered.length === 0) return [];
  requireFinite(answered);
  return metrics.flatMap((metric) => {
    const { first, second } = columnsOf(metric, answered);
    const value = metric.value(first, second, new Uint32Array(answered.length).fill(1));
    if (Number.isNaN(value)) return [];
    const { name, higherIsBetter } = metric;
    return { name, value, standardError: standardError(metric, first, second), higherIsBetter };
  });
}

/** @throws LuthierError as `scoreAnswers`. */
export function requireFinite(answered: readonly Answered[]): void {
  for (const [at, { answer }] of answered.entries()) {
    const found = numbersOf(answer).find((number) => !Number.isFinite(number));
    if (found === undefined) continue;
    throw new LuthierError(
      `the model answers example ${at + 1} with ${found}, which is no finite number`,
      "An activation overflowed on the way: keep more of the linears float, or check the checkpoint's weights.",
    );
  }
}

export function columnsOf(metric: Metric, answered: readonly Answered[]): MetricColumns {
  const [first, second] = [new Float64Array(answered.length), new Float64Array(answered.length)];
  for (const [at, example] of answered.entries()) [first[at], second[at]] = metric.of(example);
  return { first, second };
}

function numbersOf(answer: Answer): readonly number[] {
  switch (answer.kind) {
    case "choices":
      return answer.logLikelihoods;
    case "classes":
      return answer.logits;
    case "text":
      return [answer.logLikelihood];
    case "span":
      return [answer.score, answer.noAnswerScore];
    case "generation":
      return answer.alternativeLogLikelihood === null ? [] : [answer.alternativeLogLikelihood];
  }
}
