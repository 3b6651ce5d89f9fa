import type { Metric } from "../metric.js";
import { bootstrap } from "./bootstrap.js";

/** The two columns of a metric. */
export interface MetricColumns {
  readonly first: Float64Array;
  readonly second: Float64Array;
}

export interface PairedDifference {
  readonly difference: number;
  readonly interval: readonly [low: number, high: number];
}

/**
 * A metric of a model less that of a reference, and the middle 95 % of that difference over resamples of the examples that are
 * the same for both: the percentile interval of the paired bootstrap. Ends between two values are interpolated, as NumPy's
 * `percentile` does. Null where the metric has no value.
 */
export function pairedDifference(
  metric: Metric,
  reference: MetricColumns,
  model: MetricColumns,
): PairedDifference | null {
  const examples = model.first.length;
  const differenceOf = (times: Uint32Array) =>
    metric.value(model.first, model.second, times) - metric.value(reference.first, reference.second, times);
  const difference = differenceOf(new Uint32Array(examples).fill(1));
  if (Number.isNaN(difference)) return null;
  const differences = bootstrap(examples, differenceOf);
  return { difference, interval: [quantile(differences, 0.025), quantile(differences, 0.975)] };
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}
