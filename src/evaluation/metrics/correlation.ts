import { expectKinds } from "../answered-kinds.js";
import type { Metric } from "../metric.js";
import { ascendingRows } from "./ascending.js";

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
  value: (first, second, times) => correlation(ranks(first, times), ranks(second, times), times),
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

function correlation(x: Float64Array, y: Float64Array, times: Uint32Array): number {
  const [meanX, meanY] = [mean(x, times), mean(y, times)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let at = 0; at < x.length; at++) {
    const [dx, dy] = [x[at] - meanX, y[at] - meanY];
    xx += times[at] * dx * dx;
    yy += times[at] * dy * dy;
    xy += times[at] * dx * dy;
  }
  // Rounding may leave it a last place beyond 1.
  return xx === 0 || yy === 0 ? 0 : Math.max(-1, Math.min(1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
}

/** Exact where all numbers are equal, so that their deviations are zero. */
function mean(column: Float64Array, times: Uint32Array): number {
  const one = column[times.findIndex((count) => count > 0)];
  let [sum, rows] = [0, 0];
  for (let at = 0; at < column.length; at++) {
    sum += times[at] * (column[at] - one);
    rows += times[at];
  }
  return one + sum / rows;
}

/** From 1; of equal numbers the mean of the places that they have when sorted. */
function ranks(column: Float64Array, times: Uint32Array): Float64Array {
  const order = ascendingRows(column);
  const found = new Float64Array(column.length);
  let below = 0;
  for (let start = 0, end = 0; start < order.length; start = end) {
    let equal = 0;
    for (; end < order.length && column[order[end]] === column[order[start]]; end++)
      equal += times[order[end]];
    for (let at = start; at < end; at++) found[order[at]] = below + (equal + 1) / 2;
    below += equal;
  }
  return found;
}
