import { expectKinds } from "../answered-kinds.js";
import type { Metric } from "../metric.js";
import { ratioOfSums } from "./ratio.js";

/*
 * How well a model foresees whole texts, told per word or byte and so the same for every tokenizer: the sum of the texts'
 * log-likelihoods over the sum of their words or bytes, as lm-evaluation-harness weighs them.
 */

/** `exp` of the negative log-likelihood per word. */
export const wordPerplexity: Metric = {
  name: "word_perplexity",
  higherIsBetter: false,
  isMean: false,
  of(example) {
    const { gold, answer } = expectKinds(example, "word_perplexity", "text", "text");
    return [answer.logLikelihood, gold.words];
  },
  value: (first, second, times) => Math.exp(-ratioOfSums(first, second, times)),
};

/** `exp` of the negative log-likelihood per byte. */
export const bytePerplexity: Metric = {
  name: "byte_perplexity",
  higherIsBetter: false,
  isMean: false,
  of: likelihoodAndBytes("byte_perplexity"),
  value: (first, second, times) => Math.exp(-ratioOfSums(first, second, times)),
};

/** The negative log-likelihood per byte, in bits. */
export const bitsPerByte: Metric = {
  name: "bits_per_byte",
  higherIsBetter: false,
  isMean: false,
  of: likelihoodAndBytes("bits_per_byte"),
  value: (first, second, times) => -ratioOfSums(first, second, times) / Math.LN2,
};

function likelihoodAndBytes(metric: string): Metric["of"] {
  return (example) => {
    const { gold, answer } = expectKinds(example, metric, "text", "text");
    return [answer.logLikelihood, gold.bytes];
  };
}
