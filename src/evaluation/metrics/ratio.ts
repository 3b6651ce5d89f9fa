/**
 * The sum of the first column over the sum of the second: the mean where the second is 1 throughout, the mean of a part of
 * the examples where it is 1 for those and both are 0 for the others. NaN where the second column has nothing.
 */
export function ratioOfSums(first: Float64Array, second: Float64Array, times: Uint32Array): number {
  let [sum, of] = [0, 0];
  for (let at = 0; at < first.length; at++) {
    sum += times[at] * first[at];
    of += times[at] * second[at];
  }
  return sum / of;
}
