import type { ChannelGroup } from "../model/architecture.js";
import type { Matrix } from "../tensor/matrix.js";

/*
 * How much a channel matters to the linears that read it: the second moment of the input times the squared weights of
 * its column, summed over the linears of that input. It is what the outputs' squares would lack without the channel, all
 * others being unrelated to it. (Wanda, arXiv 2306.11695, weighs single weights so.)
 */

/** Adds the squares of each column of a weight `[N, K]` to `sums`, in float64, in the order of the rows. */
export function addSquares({ rows, columns, data }: Matrix, sums: Float64Array): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) sums[column] += data[row * columns + column] ** 2;
  }
}

/**
 * The logarithm of each channel's importance.
 * @param inputs second moments `[K]`.
 * @param weights sums of squares `[K]`.
 */
export function inputImportance(inputs: Float32Array, weights: Float64Array): Float64Array {
  return weights.map((sum, channel) => Math.log(inputs[channel] * sum));
}

/**
 * The importance of a group's channels: the sum over all inputs that they are, so that each counts by its proportions and
 * none by its scale.
 *
 * @param importances of inputs, by the weight's tensor of one of the linears that read them.
 */
export function groupImportance(
  { size, places }: ChannelGroup,
  importances: ReadonlyMap<string, Float64Array>,
): Float64Array {
  const sums = new Float64Array(size);
  for (const { tensor, along, firsts } of places) {
    const importance = along === "columns" ? importances.get(tensor) : undefined;
    if (importance === undefined) continue;
    for (const first of firsts) for (let i = 0; i < size; i++) sums[i] += importance[first + i];
  }
  return sums;
}
