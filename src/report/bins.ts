/* Histograms: counts of numbers in bins of equal width. */

export interface Bins {
  /** Where the first bin begins, and how wide each is. */
  readonly first: number;
  readonly width: number;
  readonly counts: readonly number[];
}

/** All finite values in this many bins between the least and the most of them. */
export function binned(all: Float32Array, bins: number): Bins {
  const values = all.filter(Number.isFinite);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (values.length === 0 || least === most)
    return { first: values[0] ?? 0, width: 0, counts: [values.length] };
  const width = (most - least) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - least) / width))]++;
  return { first: least, width, counts };
}

/** The same over the logarithm, to base ten, of the values above 0. */
export function logBinned(values: Float32Array, bins: number): Bins {
  return binned(
    values.filter((value) => value > 0).map((value) => Math.log10(value)),
    bins,
  );
}
