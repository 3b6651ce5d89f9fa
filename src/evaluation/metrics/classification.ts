import { expectKinds } from "../answered-kinds.js";
import { chosenIndex } from "../chosen.js";
import type { Metric } from "../metric.js";

/** F1 of class 1 against all others: 2 tp / (2 tp + fp + fn), and 0 where nothing is nor is said to be class 1 (scikit-learn). */
export const binaryF1: Metric = {
  name: "f1",
  higherIsBetter: true,
  isMean: false,
  of: predictedAndTrue("f1"),
  value(predicted, right, times) {
    let [both, either] = [0, 0];
    for (let at = 0; at < predicted.length; at++) {
      if (predicted[at] === 1 && right[at] === 1) both += times[at];
      if (predicted[at] === 1) either += times[at];
      if (right[at] === 1) either += times[at];
    }
    return either === 0 ? 0 : (2 * both) / either;
  },
};

/**
 * Matthews correlation of any number of classes, as scikit-learn computes it (Gorodkin, Computational Biology and
 * Chemistry 28, 2004): with n examples of which c are right, and of each class k p_k predicted and t_k true,
 * (c n − Σ p_k t_k) / √((n² − Σ p_k²) (n² − Σ t_k²)); 0 where all are predicted, or all are, of one class.
 */
export const matthewsCorrelation: Metric = {
  name: "mcc",
  higherIsBetter: true,
  isMean: false,
  of: predictedAndTrue("mcc"),
  value(predicted, right, times) {
    const classes = 1 + Math.max(largest(predicted), largest(right));
    const [p, t] = [new Float64Array(classes), new Float64Array(classes)];
    let [n, same] = [0, 0];
    for (let at = 0; at < predicted.length; at++) {
      n += times[at];
      p[predicted[at]] += times[at];
      t[right[at]] += times[at];
      if (predicted[at] === right[at]) same += times[at];
    }
    const spread = Math.sqrt((n * n - product(p, p)) * (n * n - product(t, t)));
    return spread === 0 ? 0 : (same * n - product(p, t)) / spread;
  },
};

function predictedAndTrue(metric: string): Metric["of"] {
  return (example) => {
    const { gold, answer } = expectKinds(example, metric, "index", "choices", "classes");
    return [chosenIndex(answer), gold.index];
  };
}

function largest(column: Float64Array): number {
  let most = 0;
  for (const value of column) if (value > most) most = value;
  return most;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}
