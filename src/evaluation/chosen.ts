import type { ChoiceAnswer, ClassAnswer, GenerationAnswer, SpanAnswer } from "./question.js";

/** The class of the largest logit, or the likeliest choice; the first of equals, as NumPy's argmax has it. */
export function chosenIndex(answer: ChoiceAnswer | ClassAnswer): number {
  return indexOfLargest(answer.kind === "classes" ? answer.logits : answer.logLikelihoods);
}

export function indexOfLargest(values: readonly number[]): number {
  let largest = 0;
  for (const [at, value] of values.entries()) if (value > values[largest]) largest = at;
  return largest;
}

/**
 * The text that a model gives as its answer; empty for none. A span counts unless more speaks for no answer, the rule of
 * BERT's authors (arXiv:1810.04805, section 4.3) with their threshold τ at its default, 0.
 */
export function chosenText(answer: SpanAnswer | GenerationAnswer): string {
  if (answer.kind === "generation") return answer.text;
  return answer.noAnswerScore > answer.score ? "" : answer.text;
}
