import { z } from "zod";
import type { IntOutline, IntScheme } from "../schemes/int.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  bits: z
    .union([z.literal(4), z.literal(8)])
    .default(4)
    .describe("bits of a code"),
  smallestGroup: z.int().min(2).default(64).describe("inputs of a group, at least"),
  threshold: z
    .number()
    .min(1)
    .default(1.1)
    .describe("groups are halved while a group's range is more than so many times that of its halves"),
});
type Options = z.infer<typeof options>;

/**
 * FineQuant: symmetric absmax codes whose group is chosen for each matrix by itself: a whole row where ranges are even
 * along it, smaller where they are not.
 *
 * The authors begin with the coarsest groups and halve them where ranges within are too uneven; their measure and its
 * threshold are not published. Here a matrix's groups are halved while the mean over all groups of `max|w|` is more than
 * `threshold` times the mean over their halves. Of normal weights that ratio rises from 1.05 (rows of 4,096) to 1.09
 * (groups of 128): the default leaves these whole, and halves where outliers widen the range of their group.
 */
export const finequant: Quantizer<Options, IntScheme> = {
  name: "finequant",
  summary: "symmetric INT4 or INT8 with a group chosen for each matrix by its ranges",
  source: "FineQuant, arXiv 2308.09723 §3.2 (its threshold is unpublished: a choice)",
  options,
  outline: (rows, columns, { bits }) => outlineOf(rows, columns, columns, bits),
  alternatives: (rows, columns, { bits, smallestGroup }) =>
    halvings(columns, smallestGroup).map((group) => outlineOf(rows, columns, group, bits)),
  async quantize(weight, { bits, smallestGroup, threshold }, kernels) {
    const group = groupOf(weight, smallestGroup, threshold);
    const task = { group, bits, symmetric: true, clip: false };
    const fitted = await kernels.roundToNearest(weight.data, task);
    return { ...outlineOf(weight.rows, weight.columns, group, bits), ...fitted };
  },
};

function outlineOf(rows: number, columns: number, group: number, bits: number): IntOutline {
  return { scheme: "int", bits, symmetric: true, ...scaleGrid(rows, columns, group) };
}

/** The groups that a row may be halved into, largest first. */
function halvings(columns: number, smallest: number): readonly number[] {
  const groups: number[] = [];
  for (let group = columns / 2; Number.isInteger(group) && group >= smallest; group /= 2) groups.push(group);
  return groups;
}

function groupOf(weight: Matrix, smallest: number, threshold: number): number {
  const groups = [weight.columns, ...halvings(weight.columns, smallest)];
  // The mean magnitudes for each group, from those of the smallest up.
  let largest = magnitudes(weight.data, groups[groups.length - 1]);
  const means = [mean(largest)];
  for (let at = groups.length - 1; at > 0; at--) {
    largest = magnitudes(largest, 2);
    means.unshift(mean(largest));
  }
  let at = 0;
  while (at + 1 < groups.length && means[at] > threshold * means[at + 1]) at++;
  return groups[at];
}

/** The largest magnitude of each run. */
function magnitudes(values: Float32Array, run: number): Float32Array {
  return Float32Array.from({ length: values.length / run }, (_, at) => {
    let most = 0;
    for (let i = at * run; i < (at + 1) * run; i++) most = Math.max(most, Math.abs(values[i]));
    return most;
  });
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
