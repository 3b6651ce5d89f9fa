import { nearestLevel } from "../kernels/round-to-nearest.js";

/** Levels `minimum + step · k`. */
export interface Range {
  readonly minimum: number;
  readonly step: number;
}

/** Cells of the histogram that stands for the values. */
const cells = 4096;

/** How far both ends may shrink, in steps of 1/100 of the range: rare values are cut off so that the others are finer. */
const shrinkSteps = 90;

/**
 * The range whose `levels + 1` levels have the least squared error of values that occur `weights` times each; the widest of
 * equals. Values that never occur do not count.
 */
export function leastErrorRange(values: Float32Array, weights: Float32Array, levels: number): Range {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    if (weights[i] === 0) continue;
    least = Math.min(least, values[i]);
    most = Math.max(most, values[i]);
  }
  if (!(most > least)) return { minimum: least === most ? least : 0, step: 1 };
  const width = (most - least) / cells;
  const histogram = new Float64Array(cells);
  for (let i = 0; i < values.length; i++) {
    const cell = Math.floor((values[i] - least) / width);
    if (weights[i] > 0) histogram[Math.min(cell, cells - 1)] += weights[i];
  }
  let best = { minimum: least, step: (most - least) / levels };
  let bestError = Number.POSITIVE_INFINITY;
  for (let shrink = 0; shrink < shrinkSteps; shrink++) {
    const kept = 1 - shrink / 100;
    const range = { minimum: least * kept, step: ((most - least) * kept) / levels };
    const error = errorOf(histogram, least, width, range, levels);
    if (error < bestError) [best, bestError] = [range, error];
  }
  return best;
}

function errorOf(
  histogram: Float64Array,
  least: number,
  width: number,
  { minimum, step }: Range,
  levels: number,
): number {
  let error = 0;
  for (let cell = 0; cell < cells; cell++) {
    if (histogram[cell] === 0) continue;
    const value = least + (cell + 0.5) * width;
    const level = nearestLevel(value, minimum, step, levels);
    const difference = value - minimum - step * level;
    error += histogram[cell] * difference * difference;
  }
  return error;
}
