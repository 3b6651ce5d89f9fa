import { expectKinds } from "../answered-kinds.js";
import type { Metric } from "../metric.js";

/**
 * Pearson's correlation of a regression's single logit with the true numbers. A column of equal numbers correlates with
 * nothing and gives 0, where SciPy gives NaN.
 */
export const pearson: Metric = {
  name: "pearson",
  higherIsBetter: true,
  isMean: false,
  of: predictedAndTrue("pearson"),
  value: correlation,
};

/** Spearman's: Pearson's correlation of the ranks, equal numbers having the mean of their ranks. */
export const spearman: Metric = {
  name: "spearmanr",
  higherIsBetter: true,
  isMean: false,
  of: predictedAndTrue("spearmanr"),
  value: (first, second) => correlation(ranks(first), ranks(second)),
};

function predictedAndTrue(metric: string): Metric["of"] {
  return (example) => {
    const { gold, answer } = expectKinds(example, metric, "number", "classes");
    if (answer.logits.length !== 1) {
      throw new TypeError(`${metric} scores a regression's one logit, not ${answer.logits.length}`);
    }
    return [answer.logits[0], gold.number];
  };
}

function correlation(x: Float64Array, y: Float64Array): number {
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let at = 0; at < x.length; at++) {
    const [dx, dy] = [x[at] - meanX, y[at] - meanY];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  // Rounding may leave it a last place beyond 1.
  return xx === 0 || yy === 0 ? 0 : Math.max(-1, Math.min(1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
}

/** From 1. */
function ranks(column: Float64Array): Float64Array {
  const sorted = Float64Array.from(column).sort();
  return column.map((value) => (countBelow(sorted, value, false) + countBelow(sorted, value, true) + 1) / 2);
}

/** How many of the sorted numbers are less than `value`, or not more. */
function countBelow(sorted: Float64Array, value: number, orEqual: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value || (orEqual && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function mean(column: Float64Array): number {
  let sum = 0;
  for (const value of column) sum += value;
  return sum / column.length;
}
