import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type ScaleGrid, scaleGrid } from "../schemes/scale-grid.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { type Matrix, matrix, transposed } from "../tensor/matrix.js";
import type { CalibrationInputs, LinearShape, LinearToFit } from "./calibrated-quantizer.js";
import { columnOrder, orderOfColumns } from "./column-order.js";
import { expectFiniteInput } from "./finite-inputs.js";
import { aimAtFloat, crossMoments, secondMoments } from "./input-moments.js";
import type { FittedLevels, LevelGrid } from "./level-grid.js";
import { largestOf, weightsOf } from "./linear-sizes.js";

/** What a recipe may set of every method with error compensation. */
export const compensation = {
  damping: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe("share of the mean second moment that is added to each; raised where it does not do"),
  order: columnOrder,
  aim: z
    .enum(["own", "float"])
    .default("own")
    .describe(
      "`own`: what the float weights give on the quantized model's inputs; `float`: what the float model gives",
    ),
};
export type Compensation = z.infer<z.ZodObject<typeof compensation>>;

/**
 * Quantizes linears of one input with the error of each column made up for by the later ones: GPTQ (Frantar et al., arXiv
 * 2210.17323, algorithm 1) with any grid of levels. Group after group, levels are fitted to the weights as they are by
 * then; column after column is rounded to them, and its error handed on. An input that never was other than zero has
 * weights of zero (as the authors' code has it).
 *
 * @throws LuthierError naming a linear whose inputs or weights are not finite.
 */
export async function compensatedWeights<Fitted extends FittedLevels>(
  linears: readonly LinearToFit[],
  inputs: CalibrationInputs,
  options: Compensation & { readonly group: number | "row" },
  levelGrid: LevelGrid<Fitted>,
  kernels: Kernels,
): Promise<readonly WeightScheme[]> {
  const second = await secondMoments(inputs, kernels);
  const { rows, columns } = linears[0];
  const diagonal = Float64Array.from({ length: columns }, (_, i) => second[i * columns + i]);
  expectFiniteInput(linears, diagonal); // a second moment is finite only where the input always is
  expectFiniteWeights(linears);
  const weights =
    options.aim === "float"
      ? await aimed(linears, inputs, second, kernels)
      : linears.map(({ weight }) => weight);
  const { group } = scaleGrid(rows, columns, options.group);
  const order = orderOfColumns(diagonal, group, options.order);
  const { factor } = await kernels.inverseFactor(reordered(second, order), columns, options.damping);
  const schemes: WeightScheme[] = [];
  for (const [at, weight] of weights.entries()) {
    const grid = scaleGrid(weight.rows, columns, options.group);
    const task = { rest: restOf(weight, diagonal, order), grid, order, factor, kernels };
    const rounded = options.order === "static" ? roundAtOnce : roundByGroups;
    const fitLevels = async (values: Matrix) => {
      const fitted = await levelGrid.fit(values, kernels);
      if (allFinite(fitted.levels)) return fitted;
      throw new LuthierError(
        `${linears[at].name} has weights too large for a float16 scale`,
        "keep this linear float: add a rule for it with `keep: float` before the one that matches it",
      );
    };
    const { codes, groups } = await rounded(task, fitLevels);
    schemes.push(levelGrid.scheme(grid, codes, groups));
  }
  return schemes;
}

/**
 * What `compensatedWeights` holds at most, in bytes: second moments, those in order, damped and inverted, `[K, K]` each; or
 * two of them, and a linear `[N, K]` in float64, transposed before that. Aimed at the float model, all linears in float64
 * and float32 twice, beside the moments, cross moments, their difference and a factor.
 */
export function compensatedBytes(
  linears: readonly LinearShape[],
  { aim }: Pick<Compensation, "aim">,
): number {
  const { columns } = linears[0];
  const square = 8 * columns ** 2;
  const [largest, all] = [largestOf(linears), weightsOf(linears)];
  const aimed = aim === "float" ? 4 * all : 0;
  const aiming = aim === "float" ? 3.5 * square + 16 * all : 0;
  return Math.max(aiming, aimed + 4 * square, aimed + 2 * square + 12 * largest);
}

/** One linear in the course of rounding. */
interface Rounding {
  /** `[K, N]`, columns in their order of rounding. */
  readonly rest: Float64Array;
  readonly grid: ScaleGrid;
  /** `[K]`: the column at each place of that order. */
  readonly order: Int32Array;
  /** U `[K, K]`, in that order. */
  readonly factor: Float64Array;
  readonly kernels: Kernels;
}

interface Rounded<Fitted> {
  /** `[N, K]`: indices of levels, columns in their own order. */
  readonly codes: Uint8Array;
  /** In the order of columns. */
  readonly groups: readonly Fitted[];
}

type Fit<Fitted> = (weights: Matrix) => Promise<Fitted>;

/** Each group is fitted when its turn comes; the order keeps groups whole. */
async function roundByGroups<Fitted extends FittedLevels>(
  { rest, grid, order, factor, kernels }: Rounding,
  fitLevels: Fit<Fitted>,
): Promise<Rounded<Fitted>> {
  const { rows, columns, group } = grid;
  const codes = new Uint8Array(rows * columns);
  const groups: Fitted[] = new Array(columns / group);
  const tableOf = new Int32Array(group);
  for (let first = 0; first < columns; first += group) {
    const last = first + group;
    const now = Float32Array.from(rest.subarray(first * rows, last * rows));
    const fitted = await fitLevels(transposed(matrix(group, rows, now)));
    const levels = fitted.levels.length / rows;
    const tables = transposed(matrix(rows, levels, fitted.levels)).data;
    const task = { columns, first, last, factor, levels, tables, tableOf };
    place(await kernels.compensatedCodes(rest, task), order.subarray(first, last), grid, codes);
    groups[Math.floor(order[first] / group)] = fitted;
  }
  return { codes, groups };
}

/** All groups are fitted in advance: columns may go in any order. */
async function roundAtOnce<Fitted extends FittedLevels>(
  { rest, grid, order, factor, kernels }: Rounding,
  fitLevels: Fit<Fitted>,
): Promise<Rounded<Fitted>> {
  const { rows, columns, group } = grid;
  const placeOf = new Int32Array(columns);
  for (const [at, column] of order.entries()) placeOf[column] = at;
  const groups: Fitted[] = [];
  for (let first = 0; first < columns; first += group) {
    const weights = new Float32Array(group * rows);
    for (let i = 0; i < group; i++) {
      const from = placeOf[first + i] * rows;
      weights.set(rest.subarray(from, from + rows), i * rows);
    }
    groups.push(await fitLevels(transposed(matrix(group, rows, weights))));
  }
  const levels = groups[0].levels.length / rows;
  const tables = new Float32Array(groups.length * levels * rows);
  for (const [at, fitted] of groups.entries())
    tables.set(transposed(matrix(rows, levels, fitted.levels)).data, at * levels * rows);
  const tableOf = order.map((column) => Math.floor(column / group));
  const task = { columns, first: 0, last: columns, factor, levels, tables, tableOf };
  const codes = new Uint8Array(rows * columns);
  place(await kernels.compensatedCodes(rest, task), order, grid, codes);
  return { codes, groups };
}

/** Puts codes `[columns, N]` into their columns of `[N, K]`. */
function place(
  codes: Uint8Array,
  columns: Int32Array,
  { rows, columns: stride }: ScaleGrid,
  out: Uint8Array,
): void {
  for (let row = 0; row < rows; row++)
    for (let at = 0; at < columns.length; at++) out[row * stride + columns[at]] = codes[at * rows + row];
}

/** A weight in float64, transposed and in order; zeros where an input never was other than zero. */
function restOf(weight: Matrix, diagonal: Float64Array, order: Int32Array): Float64Array {
  const { rows, columns } = weight;
  const byColumn = transposed(weight).data;
  const rest = new Float64Array(rows * columns);
  for (const [at, column] of order.entries())
    if (diagonal[column] !== 0) rest.set(byColumn.subarray(column * rows, (column + 1) * rows), at * rows);
  return rest;
}

/** `[K, K]` with rows and columns in order. */
function reordered(second: Float64Array, order: Int32Array): Float64Array {
  const size = order.length;
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) out[i * size + j] = second[order[i] * size + order[j]];
  return out;
}

/** The weights of some linears that give the float model's outputs. */
async function aimed(
  linears: readonly LinearToFit[],
  inputs: CalibrationInputs,
  second: Float64Array,
  kernels: Kernels,
): Promise<readonly Matrix[]> {
  const { columns } = linears[0];
  const rows = linears.reduce((sum, linear) => sum + linear.rows, 0);
  const weights = new Float32Array(rows * columns);
  const starts = linears.map((_, at) =>
    linears.slice(0, at).reduce((sum, before) => sum + before.rows * columns, 0),
  );
  for (const [at, { weight }] of linears.entries()) weights.set(weight.data, starts[at]);
  const cross = await crossMoments(inputs, kernels);
  const aim = await aimAtFloat({ weights, rows, columns }, { second, cross }, kernels);
  return linears.map((linear, at) =>
    matrix(linear.rows, columns, aim.subarray(starts[at], starts[at] + linear.rows * columns)),
  );
}

function expectFiniteWeights(linears: readonly LinearToFit[]): void {
  for (const { name, weight } of linears) {
    if (!allFinite(weight.data))
      throw new LuthierError(`${name} has weights that are not finite`, "check the checkpoint");
  }
}

function allFinite(values: Float32Array | Float64Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false;
  return true;
}
