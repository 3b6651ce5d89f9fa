import type { Metric } from "../../../src/evaluation/metric.js";
import { columnsOf } from "../../../src/evaluation/score-answers.js";
import type { Answered } from "../../../src/evaluation/task.js";

/** A metric of some examples, each counted once. */
export function metricOf(metric: Metric, examples: readonly Answered[]): number {
  const { first, second } = columnsOf(metric, examples);
  return metric.value(first, second, new Uint32Array(examples.length).fill(1));
}

/** An example of two classes or more that a head answers with these logits. */
export function classified(logits: readonly number[], gold: number): Answered {
  return { gold: { kind: "index", index: gold }, answer: { kind: "classes", logits } };
}

/** A classified example by the class that it is given. */
export function predicted(prediction: number, gold: number, classes = 2): Answered {
  return classified(
    Array.from({ length: classes }, (_, at) => Number(at === prediction)),
    gold,
  );
}

export function chosen(
  logLikelihoods: readonly number[],
  gold: number,
  more: { readonly lengths?: readonly number[]; readonly greedy?: readonly boolean[] } = {},
): Answered {
  const { lengths, greedy = logLikelihoods.map(() => false) } = more;
  return {
    gold: { kind: "index", index: gold, ...(lengths && { lengths }) },
    answer: { kind: "choices", logLikelihoods, greedy },
  };
}

export function regressed(logit: number, gold: number): Answered {
  return { gold: { kind: "number", number: gold }, answer: { kind: "classes", logits: [logit] } };
}

/** A span that is found with certainty. */
export function spanned(text: string, golds: readonly string[]): Answered {
  return {
    gold: { kind: "texts", texts: golds },
    answer: { kind: "span", text, score: 1, noAnswerScore: 0 },
  };
}

export function generated(
  text: string,
  golds: readonly string[],
  alternative: number | null = null,
): Answered {
  return {
    gold: { kind: "texts", texts: golds },
    answer: { kind: "generation", text, alternativeLogLikelihood: alternative },
  };
}

export function scoredText(logLikelihood: number, words: number, bytes: number): Answered {
  return { gold: { kind: "text", words, bytes }, answer: { kind: "text", logLikelihood, tokens: 1 } };
}
