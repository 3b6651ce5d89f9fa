import type { Metric } from "../metric.js";
import { bootstrap } from "./bootstrap.js";

/**
 * Of a metric: of a mean s / √n with s the sample standard deviation, as lm-evaluation-harness; of any other the standard
 * deviation of its bootstrap values. Null where one example or none leaves it undefined.
 */
export function standardError(metric: Metric, first: Float64Array, second: Float64Array): number | null {
  if (first.length < 2) return null;
  if (metric.isMean) return sampleDeviation(first) / Math.sqrt(first.length);
  const values = bootstrap(first.length, (times) => metric.value(first, second, times));
  return values.length < 2 ? null : sampleDeviation(values);
}

/** With n − 1 in the denominator. */
export function sampleDeviation(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}
