/* The two orders in which the kernel adds float32 values; each sum is rounded. */

/** A tree: the second half is added to the first until one value is left. @param values a power of two; overwritten. */
export function sumOfTree(values: Float32Array): number {
  for (let half = values.length / 2; half >= 1; half /= 2) {
    for (let k = 0; k < half; k++) values[k] += values[k + half];
  }
  return values[0];
}

/** Runs of eight, each in its order, then the runs' sums in theirs. @param values whole runs; overwritten. */
export function sumOfRuns(values: Float32Array): number {
  for (let first = 0; first < values.length; first += runLength) {
    for (let k = 1; k < runLength; k++) values[first] += values[first + k];
    if (first > 0) values[0] += values[first];
  }
  return values[0];
}

const runLength = 8;
