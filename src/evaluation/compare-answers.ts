import { chosenIndex, chosenText } from "./chosen.js";
import type { Metric, MetricDifference, PairedComparison } from "./metric.js";
import type { Answer, GenerationAnswer, SpanAnswer } from "./question.js";
import { columnsOf, requireFinite } from "./score-answers.js";
import { mcnemar } from "./statistics/mcnemar.js";
import { type MetricColumns, pairedDifference } from "./statistics/paired-difference.js";
import type { Answered } from "./task.js";

/**
 * How the answers of a model differ from those of a reference to the same examples. Metrics without a value on these are left
 * out.
 *
 * @throws LuthierError when an answer is no finite number.
 * @throws RangeError for different examples, or kinds of answer.
 */
export function compareAnswers(
  metrics: readonly Metric[],
  reference: readonly Answered[],
  model: readonly Answered[],
): PairedComparison {
  if (reference.length !== model.length) {
    throw new RangeError(`${model.length} answers cannot be paired with ${reference.length}`);
  }
  if (model.length === 0) return { metrics: [], agreement: null, divergence: null };
  requireFinite(reference);
  requireFinite(model);
  const pairs = reference.map(({ answer }, at) => pairOf(answer, model[at].answer));
  return {
    metrics: metrics.flatMap(
      (metric) => differenceOf(metric, columnsOf(metric, reference), columnsOf(metric, model)) ?? [],
    ),
    agreement: meanOf(pairs.map(({ agrees }) => agrees)),
    divergence: meanOf(pairs.map(({ divergence }) => divergence)),
  };
}

function differenceOf(
  metric: Metric,
  reference: MetricColumns,
  model: MetricColumns,
): MetricDifference | null {
  const paired = pairedDifference(metric, reference, model);
  if (paired === null) return null;
  return {
    name: metric.name,
    ...paired,
    mcnemar: metric.isMean ? discordance(reference.first, model.first) : null,
  };
}

/** McNemar's test of two columns of 0 and 1; null for other columns. */
function discordance(reference: Float64Array, model: Float64Array): MetricDifference["mcnemar"] {
  const isBinary = (value: number) => value === 0 || value === 1;
  if (!reference.every(isBinary) || !model.every(isBinary)) return null;
  const onlyReference = reference.filter((value, at) => value > model[at]).length;
  const onlyModel = model.filter((value, at) => value > reference[at]).length;
  return { onlyReference, onlyModel, p: mcnemar(onlyReference, onlyModel) };
}

interface PairOfAnswers {
  /** 1 for the same answer, 0 for another; null where nothing is chosen. */
  readonly agrees: number | null;
  readonly divergence: number | null;
}

const incomparable: PairOfAnswers = { agrees: null, divergence: null };

function pairOf(reference: Answer, model: Answer): PairOfAnswers {
  if (reference.kind === "classes" && model.kind === "classes") {
    return pairOfScores(reference.logits, model.logits, chosenIndex(reference) === chosenIndex(model));
  }
  if (reference.kind === "choices" && model.kind === "choices") {
    const same = chosenIndex(reference) === chosenIndex(model);
    return pairOfScores(reference.logLikelihoods, model.logLikelihoods, same);
  }
  if (isText(reference) && isText(model)) {
    return { agrees: Number(chosenText(reference) === chosenText(model)), divergence: null };
  }
  if (reference.kind === model.kind) return incomparable;
  throw new RangeError(`an answer of ${model.kind} cannot be compared with one of ${reference.kind}`);
}

function isText(answer: Answer): answer is SpanAnswer | GenerationAnswer {
  return answer.kind === "span" || answer.kind === "generation";
}

/** Of classes or choices; a regression's one logit, or a single continuation, chooses nothing. */
function pairOfScores(reference: readonly number[], model: readonly number[], same: boolean): PairOfAnswers {
  if (reference.length !== model.length) {
    throw new RangeError(`${model.length} classes or choices cannot be compared with ${reference.length}`);
  }
  if (reference.length < 2) return incomparable;
  const [logP, logQ] = [logSoftmax(reference), logSoftmax(model)];
  const divergence = logP.reduce((sum, value, at) => sum + Math.exp(value) * (value - logQ[at]), 0);
  return { agrees: Number(same), divergence };
}

function logSoftmax(scores: readonly number[]): readonly number[] {
  const largest = Math.max(...scores);
  const logSum = largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
  return scores.map((score) => score - logSum);
}

/** Null for no numbers. */
function meanOf(values: readonly (number | null)[]): number | null {
  const numbers = values.filter((value) => value !== null);
  return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
