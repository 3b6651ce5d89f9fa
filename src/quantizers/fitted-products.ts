import type { CompensatedVectors } from "../kernels/compensated-vectors.js";
import type { FitTablesTask, Grid } from "../kernels/fit-tables.js";
import type { Kernels } from "../kernels/kernels.js";
import { roundHalfToEven } from "../kernels/round-to-nearest.js";
import type { Products } from "../schemes/vectors.js";
import { type Matrix, rowsOf } from "../tensor/matrix.js";
import { type InputMoments, transposed } from "./input-moments.js";
import { leastErrorRange, type Range } from "./least-error-range.js";
import { blocksOfPart, type StackedLinears, type StackedPart } from "./stacked-linears.js";

/** What a table is made from. */
export interface Factors extends CompensatedVectors {
  readonly stacked: StackedLinears;
  readonly moments: InputMoments;
  /** `[P, c_a, v]`. */
  readonly inputCodebooks: Float32Array;
}

export interface ProductsTask {
  readonly vector: number;
  /** c_a and c_w. */
  readonly inputs: number;
  readonly centroids: number;
  /** Of an entry. */
  readonly bits: 4 | 8;
  /** Whether entries are fitted to the float model's outputs; else they are the rounded products. */
  readonly refit: boolean;
}

export interface FittedProducts {
  /** `[P, blocks, c_a, c_w]`, levels of the grid. */
  readonly entries: Uint8Array;
  readonly grid: Grid;
}

/** Tokens' worth of trust in the product that an entry was before it is fitted. */
const inertia = 64;

/** The table of products of input and weight centroids, fitted and rounded. */
export async function fitProducts(
  factors: Factors,
  task: ProductsTask,
  kernels: Kernels,
): Promise<FittedProducts> {
  const { stacked, moments, ids } = factors;
  const { inputs, centroids, bits, refit } = task;
  const tables = productsOf(factors, task);
  const inputIds = moments.sample.ids;
  if (inputIds === null) throw new RangeError("inputs without centroids have no table");
  const { blockOfRow, blocks } = stacked;
  const fit: FitTablesTask = {
    inputs,
    centroids,
    inputIds,
    ids,
    blockOfRow,
    blocks,
    inertia,
    sweeps: 1,
    grid: null,
  };
  const levels = 2 ** bits - 1;
  if (!refit) {
    const grid = gridsOf(tables, factors, task, levels);
    return { entries: levelsOf(tables, grid, blocks, inputs * centroids), grid };
  }
  const residual = await outputsOf(stacked, moments.sample.float, kernels);
  await kernels.subtractTables(tables, residual, fit);
  await kernels.fitTables(tables, residual, fit);
  const grid = gridsOf(tables, factors, task, levels);
  await kernels.fitTables(tables, residual, { ...fit, grid });
  return { entries: levelsOf(tables, grid, blocks, inputs * centroids), grid };
}

/** `[P, blocks, c_a, c_w]`, each product summed in float64 and rounded to float32. */
function productsOf({ inputCodebooks, codebooks, stacked }: Factors, task: ProductsTask): Float32Array {
  const { vector, inputs, centroids } = task;
  const { columns, blocks } = stacked;
  const positions = columns / vector;
  const out = new Float32Array(positions * blocks * inputs * centroids);
  for (let at = 0; at < out.length; at++) {
    const weight = at % centroids;
    const input = Math.floor(at / centroids) % inputs;
    const table = Math.floor(at / (centroids * inputs)); // position · blocks + block
    const x = (Math.floor(table / blocks) * inputs + input) * vector;
    const w = (table * centroids + weight) * vector;
    let sum = 0;
    for (let i = 0; i < vector; i++) sum += inputCodebooks[x + i] * codebooks[w + i];
    out[at] = sum;
  }
  return out;
}

/** Outputs computed at a time, to bound their float64 sums. */
const outputsAtATime = 1024;

/** The outputs of the float model on the sample, `[N, T]`, in the stacked weights' magnitudes. */
async function outputsOf(stacked: StackedLinears, x: Matrix, kernels: Kernels): Promise<Float32Array> {
  const { rows, columns, weights } = stacked;
  const input = transposed(x.data, x.rows, x.columns); // [K, T]
  const out = new Float32Array(rows * x.rows);
  for (let first = 0; first < rows; first += outputsAtATime) {
    const last = Math.min(first + outputsAtATime, rows);
    const some = rowsOf({ rows, columns, data: weights }, first, last);
    const sums = new Float64Array((last - first) * x.rows);
    await kernels.addCovariance(transposed(some.data, some.rows, columns), input, sums);
    out.set(sums, first * x.rows);
  }
  return out;
}

/**
 * The levels that each block's entries can take. Blocks of linears with one scale share them; those of attention, whose
 * heads have scales, have their own.
 */
function gridsOf(tables: Float32Array, factors: Factors, task: ProductsTask, levels: number): Grid {
  const { blocks, parts } = factors.stacked;
  const uses = usesOf(factors, task);
  const minimums = new Float32Array(blocks);
  const steps = new Float32Array(blocks);
  for (const { firstBlock, blocks: count, magnitudes } of parts) {
    const together = magnitudes.length > 1 ? 1 : count;
    for (let first = firstBlock; first < firstBlock + count; first += together) {
      const { minimum, step } = gridOf(
        tables,
        uses,
        blocks,
        first,
        together,
        levels,
        task.inputs * task.centroids,
      );
      minimums.fill(minimum, first, first + together);
      steps.fill(step, first, first + together);
    }
  }
  return { minimums, steps, levels };
}

/** `[P, blocks, c_a, c_w]`: how many outputs of the sample meet each entry. */
function usesOf(
  { stacked, moments, ids }: Factors,
  { inputs, centroids, vector }: ProductsTask,
): Float32Array {
  const { rows, columns, blocks, blockOfRow } = stacked;
  const inputIds = moments.sample.ids as Uint8Array;
  const positions = columns / vector;
  const tokens = inputIds.length / positions;
  const out = new Float32Array(positions * blocks * inputs * centroids);
  for (let position = 0; position < positions; position++) {
    const ofInput = new Float64Array(inputs);
    const ofWeight = new Float64Array(blocks * centroids);
    for (let token = 0; token < tokens; token++) ofInput[inputIds[position * tokens + token]]++;
    for (let row = 0; row < rows; row++) ofWeight[blockOfRow[row] * centroids + ids[position * rows + row]]++;
    for (let block = 0, at = position * blocks * inputs * centroids; block < blocks; block++) {
      for (let input = 0; input < inputs; input++) {
        for (let id = 0; id < centroids; id++) out[at++] = ofInput[input] * ofWeight[block * centroids + id];
      }
    }
  }
  return out;
}

/** The range of least error of the entries of some blocks. */
function gridOf(
  tables: Float32Array,
  uses: Float32Array,
  blocks: number,
  firstBlock: number,
  count: number,
  levels: number,
  size: number,
): Range {
  const perPosition = blocks * size;
  const positions = tables.length / perPosition;
  const entries = new Float32Array(positions * count * size);
  const weights = new Float32Array(entries.length);
  for (let position = 0; position < positions; position++) {
    const from = position * perPosition + firstBlock * size;
    entries.set(tables.subarray(from, from + count * size), position * count * size);
    weights.set(uses.subarray(from, from + count * size), position * count * size);
  }
  return leastErrorRange(entries, weights, levels);
}

/** Each entry's nearest level, half to even. */
function levelsOf(
  tables: Float32Array,
  { minimums, steps, levels }: Grid,
  blocks: number,
  size: number,
): Uint8Array {
  return Uint8Array.from(tables, (entry, at) => {
    const block = Math.floor(at / size) % blocks;
    const level = roundHalfToEven((entry - minimums[block]) / steps[block]);
    return Math.max(0, Math.min(levels, level));
  });
}

/**
 * The products of one of the linears. `y = magnitude · Σ (minimum + step · level) = Σ level · scale − bias`, for each of its
 * runs of outputs with a magnitude.
 */
export function productsOfPart(
  { entries, grid }: FittedProducts,
  stacked: StackedLinears,
  part: StackedPart,
  vector: number,
): Products {
  const positions = stacked.columns / vector;
  const { firstBlock, blocks, magnitudes } = part;
  const blockOf = (run: number) => firstBlock + Math.floor((run * blocks) / magnitudes.length);
  return {
    entries: blocksOfPart(stacked, part, entries, vector),
    scales: magnitudes.map((magnitude, run) => magnitude * grid.steps[blockOf(run)]),
    biases: magnitudes.map((magnitude, run) => -magnitude * positions * grid.minimums[blockOf(run)]),
  };
}
