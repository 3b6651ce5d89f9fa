import type { Answered } from "./task.js";

/**
 * A metric sees two numbers of each example, such as prediction and label, and is one number of the two columns. So its
 * standard error and its paired difference between two models are found by the same means for all metrics.
 */
export interface Metric {
  /** As lm-evaluation-harness and the field call it: `acc`, `acc_norm`, `f1`, `mcc`, `exact`, `word_perplexity`. */
  readonly name: string;
  readonly higherIsBetter: boolean;
  /** Whether it is the mean of the first column: then its standard error is that of a mean. */
  readonly isMean: boolean;
  /** The two numbers of an example. */
  of(example: Answered): readonly [first: number, second: number];
  /**
   * The metric of two columns of equal length, whose rows count `times[row]` times each: resamples of the examples differ in
   * that alone. Their order has no meaning. NaN where no example bears on it.
   */
  value(first: Float64Array, second: Float64Array, times: Uint32Array): number;
}

/** A metric of a model on a task. */
export interface MetricScore {
  readonly name: string;
  readonly value: number;
  /** Of the value; null where one example or none makes it meaningless. */
  readonly standardError: number | null;
  readonly higherIsBetter: boolean;
}

/** How a metric of one model differs from that of another on the same examples. */
export interface MetricDifference {
  readonly name: string;
  /** Model less reference. */
  readonly difference: number;
  /** The middle 95 % of differences over bootstrap resamples of the examples, the same examples for both. */
  readonly interval: readonly [low: number, high: number];
  /** McNemar's exact test, of metrics that are the share of right answers: null for others. */
  readonly mcnemar: {
    /** Examples that only the reference gets right, and that only the model does. */
    readonly onlyReference: number;
    readonly onlyModel: number;
    /** Two-sided, of the difference being chance. */
    readonly p: number;
  } | null;
}

/** What comparing the answers of two models on the same examples gives. */
export interface PairedComparison {
  readonly metrics: readonly MetricDifference[];
  /** Share of examples with the same answer, right or wrong; null where answers are no choices, classes or texts. */
  readonly agreement: number | null;
  /** Mean Kullback–Leibler divergence of the model's distribution over classes or choices from the reference's, in nats. */
  readonly divergence: number | null;
}
