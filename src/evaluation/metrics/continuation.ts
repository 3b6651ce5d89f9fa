import { expectKinds } from "../answered-kinds.js";
import type { Metric } from "../metric.js";
import { ratioOfSums } from "./ratio.js";

/** Share of examples whose right continuation is the one that greedy decoding gives: LAMBADA's accuracy. */
export const greedyAccuracy: Metric = {
  name: "acc",
  higherIsBetter: true,
  isMean: true,
  of(example) {
    const { gold, answer } = expectKinds(example, "acc", "index", "choices");
    return [Number(answer.greedy[gold.index]), 1];
  },
  value: ratioOfSums,
};

/**
 * `exp` of the mean negative log-likelihood of the right continuations, each counted once however many tokens it has:
 * LAMBADA's perplexity, of a word rather than of a token.
 */
export const continuationPerplexity: Metric = {
  name: "perplexity",
  higherIsBetter: false,
  isMean: false,
  of(example) {
    const { gold, answer } = expectKinds(example, "perplexity", "index", "choices");
    return [answer.logLikelihoods[gold.index], 1];
  },
  value: (first, second, times) => Math.exp(-ratioOfSums(first, second, times)),
};
