import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { dequantizeInt, type IntScheme } from "../schemes/int.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { CalibratedQuantizer, CalibrationInputs, LinearToFit } from "./calibrated-quantizer.js";
import { groupOrRow } from "./granularity.js";
import { largestOf } from "./linear-sizes.js";
import { outputErrors } from "./output-errors.js";
import { rtn } from "./rtn.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(4).describe("bits of a code"),
  group: groupOrRow.default(128),
});
type Options = z.infer<typeof options>;

/** Shares of a group's largest magnitude that are tried: 1, 0.95 … 0.55, 10 steps of a grid of 20. */
const shrinks = Array.from({ length: 10 }, (_, step) => 1 - step / 20);

/**
 * Round-to-nearest with AWQ's clipping: each group of a row is cut off at the share of its largest magnitude that changes
 * the group's own part of the outputs least, `δ H_g δᵀ` with the second moments H_g of the group's inputs; the largest of
 * equals. Queries and keys are not clipped, as published: their products are what matters, and those nobody looks at here.
 *
 * The published code looks at 512 tokens of the float model's inputs. Here they are all tokens of the calibration text, as
 * the quantized model has them. Ranges contain 0, as those of `rtn`: without clipping it is `rtn`.
 */
export const awq: CalibratedQuantizer<Options> = {
  name: "awq",
  summary:
    "uniform INT-1…8 with zero points, clipped where the outputs change least; with the transform `awq`",
  source: "AWQ, arXiv 2306.00978; mit-han-lab/llm-awq, auto_clip.py",
  options,
  outline: ({ rows, columns }, chosen) => roundingOf(rows, columns, chosen),
  /** Of a linear what is clipped, its codes, what they stand for and the difference; moments within groups, in two precisions. */
  workingBytes(linears, _, { group }) {
    const { columns } = linears[0];
    return 13 * largestOf(linears) + 12 * columns * (group === "row" ? columns : group);
  },
  async quantize(linears, inputs, chosen, { kernels }) {
    const group = chosen.group === "row" ? linears[0].columns : chosen.group;
    const moments = await momentsOfGroups(inputs, group, kernels);
    const schemes: IntScheme[] = [];
    for (const linear of linears) {
      const { name, weight, rotaryHeadSize } = linear;
      const clipped = rotaryHeadSize ? weight : await clip(linear, moments, chosen, kernels);
      const scheme = await round(clipped, chosen, kernels);
      if (!scheme.scales.every((scale) => Number.isFinite(scale))) throw tooLarge(name);
      schemes.push(scheme);
    }
    return schemes;
  },
};

function roundingOf(rows: number, columns: number, { bits, group }: Options) {
  const outline = rtn.outline(rows, columns, { bits, group, symmetric: false, clip: false });
  if (outline.scheme !== "int") throw new RangeError("rtn makes integers");
  return outline;
}

async function round(weight: Matrix, chosen: Options, kernels: Kernels): Promise<IntScheme> {
  const outline = roundingOf(weight.rows, weight.columns, chosen);
  const { group, bits } = outline;
  const task = { group, bits, symmetric: false, clip: false };
  return { ...outline, ...(await kernels.roundToNearest(weight.data, task)) };
}

/** `Σ x xᵀ` of each group of inputs, `[K / g, g, g]`. */
async function momentsOfGroups(
  { quantized }: CalibrationInputs,
  group: number,
  kernels: Kernels,
): Promise<readonly Matrix[]> {
  const groups = quantized[0].columns / group;
  const sums = Array.from({ length: groups }, () => new Float64Array(group * group));
  for (const input of quantized) {
    for (const [at, ofGroup] of sums.entries()) {
      const x = columnsOf(input, at * group, group);
      await kernels.addCovariance(x, x, ofGroup);
    }
  }
  const tokens = quantized.reduce((sum, { rows }) => sum + rows, 0);
  return sums.map((ofGroup) =>
    matrix(
      group,
      group,
      Float32Array.from(ofGroup, (sum) => sum / tokens),
    ),
  );
}

/** The weights, those of each group no larger than the magnitude that changes its outputs least. */
async function clip(
  { weight }: LinearToFit,
  moments: readonly Matrix[],
  chosen: Options,
  kernels: Kernels,
): Promise<Matrix> {
  const runs = weight.rows * moments.length;
  const best = new Float32Array(runs).fill(1);
  const least = new Float64Array(runs).fill(Number.POSITIVE_INFINITY);
  for (const shrink of shrinks) {
    const clipped = await round(clippedTo(weight, new Float32Array(runs).fill(shrink)), chosen, kernels);
    const errors = await errorsOfRuns(weight, dequantizeInt(clipped), moments, kernels);
    for (const [run, error] of errors.entries())
      if (error < least[run]) [best[run], least[run]] = [shrink, error];
  }
  return clippedTo(weight, best);
}

/** Weights of run i within ± `shares[i]` of its largest magnitude. */
function clippedTo({ rows, columns, data }: Matrix, shares: Float32Array): Matrix {
  const out = matrix(rows, columns);
  const length = data.length / shares.length;
  for (let run = 0; run < shares.length; run++) {
    const [first, last] = [run * length, (run + 1) * length];
    let largest = 0;
    for (let at = first; at < last; at++) largest = Math.max(largest, Math.abs(data[at]));
    const most = largest * shares[run];
    for (let at = first; at < last; at++) out.data[at] = Math.max(-most, Math.min(most, data[at]));
  }
  return out;
}

/** `δ H_g δᵀ` of each group of each row, `[N, K / g]`. */
async function errorsOfRuns(
  weight: Matrix,
  quantized: Matrix,
  moments: readonly Matrix[],
  kernels: Kernels,
): Promise<Float64Array> {
  const { rows, columns, data } = weight;
  const difference = matrix(rows, columns);
  for (let at = 0; at < data.length; at++) difference.data[at] = quantized.data[at] - data[at];
  const errors = new Float64Array(rows * moments.length);
  for (const [at, second] of moments.entries()) {
    const ofGroup = columnsOf(difference, at * second.columns, second.columns);
    const ofRows = await outputErrors(ofGroup, second, kernels);
    for (let row = 0; row < rows; row++) errors[row * moments.length + at] = ofRows[row];
  }
  return errors;
}

/** `count` columns from `first` on. */
function columnsOf({ rows, columns, data }: Matrix, first: number, count: number): Matrix {
  const out = matrix(rows, count);
  for (let row = 0; row < rows; row++) {
    const from = row * columns + first;
    out.data.set(data.subarray(from, from + count), row * count);
  }
  return out;
}

function tooLarge(name: string): LuthierError {
  return new LuthierError(
    `${name} has weights too large for a float16 scale`,
    "keep this linear float: add a rule for it with `keep: float` before the one that matches it",
  );
}
