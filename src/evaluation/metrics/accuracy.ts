import { expectKinds } from "../answered-kinds.js";
import { chosenIndex, indexOfLargest } from "../chosen.js";
import type { Metric } from "../metric.js";
import { ratioOfSums } from "./ratio.js";

/** Share of examples whose likeliest choice, or class of the largest logit, is right. */
export const accuracy: Metric = {
  name: "acc",
  higherIsBetter: true,
  isMean: true,
  of(example) {
    const { gold, answer } = expectKinds(example, "acc", "index", "choices", "classes");
    return [Number(chosenIndex(answer) === gold.index), 1];
  },
  value: ratioOfSums,
};

/**
 * Share of examples whose likeliest choice is right when each log-likelihood is divided by the choice's length in
 * characters, so that long choices stand a chance: `acc_norm` of lm-evaluation-harness, which counts Unicode code points,
 * without the space before the choice.
 */
export const normalizedAccuracy: Metric = {
  name: "acc_norm",
  higherIsBetter: true,
  isMean: true,
  of(example) {
    const { gold, answer } = expectKinds(example, "acc_norm", "index", "choices");
    const { lengths } = gold;
    if (lengths?.length !== answer.logLikelihoods.length) {
      throw new TypeError(
        `acc_norm needs the lengths of ${answer.logLikelihoods.length} choices, not ${lengths?.length ?? 0}`,
      );
    }
    const chosen = indexOfLargest(answer.logLikelihoods.map((value, at) => value / lengths[at]));
    return [Number(chosen === gold.index), 1];
  },
  value: ratioOfSums,
};
