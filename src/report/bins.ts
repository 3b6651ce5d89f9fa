/* Histograms: counts of numbers in bins of equal width. */

export interface Bins {
  /** Where the first bin begins, and how wide each is. */
  readonly first: number;
  readonly width: number;
  readonly counts: readonly number[];
}

/**
 * All finite values in this many bins between the least and the most of them. They are looked at twice where they are:
 * weights of large linears would not fit in memory as a list of numbers.
 */
export function binned(values: Float32Array, bins: number): Bins {
  let [least, most, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    finite++;
  }
  if (finite === 0) return { first: 0, width: 0, counts: [0] };
  if (least === most) return { first: least, width: 0, counts: [finite] };
  const width = (most - least) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const value of values)
    if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.floor((value - least) / width))]++;
  return { first: least, width, counts };
}

/** The same over the logarithm, to base ten, of the values above 0. */
export function logBinned(values: Float32Array, bins: number): Bins {
  return binned(
    values.filter((value) => value > 0).map((value) => Math.log10(value)),
    bins,
  );
}
