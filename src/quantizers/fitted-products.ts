import type { CompensatedVectors } from "../kernels/compensated-vectors.js";
import type { FitTablesTask, Grid } from "../kernels/fit-tables.js";
import type { Kernels } from "../kernels/kernels.js";
import { nearestLevel } from "../kernels/round-to-nearest.js";
import type { Products } from "../schemes/vectors.js";
import { type Matrix, rowsOf, transposed } from "../tensor/matrix.js";
import type { InputMoments } from "./input-moments.js";
import { blocksOfPart, type StackedLinears, type StackedPart } from "./stacked-linears.js";
import { tableGrids } from "./table-grids.js";

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
const inertia = 4096;

/** The table of products of input and weight centroids, rounded; each entry makes up for the rounding of those before. */
export async function fitProducts(
  factors: Factors,
  { vector, inputs, centroids, bits, refit }: ProductsTask,
  kernels: Kernels,
): Promise<FittedProducts> {
  const { stacked, moments, ids } = factors;
  const { blockOfRow, blocks } = stacked;
  const inputIds = moments.sample.ids;
  if (inputIds === null) throw new RangeError("inputs without centroids have no table");
  const tables = productsOf(factors, { vector, inputs, centroids });
  const fit: FitTablesTask = {
    ...{ inputs, centroids, inputIds, ids, blockOfRow, blocks },
    ...{ inertia, sweeps: 1, grid: null },
  };
  const residual = refit ? await outputsOf(stacked, moments.sample.float, kernels) : null;
  if (residual) await kernels.subtractTables(tables, residual, fit);
  const grid = await tableGrids({ stacked, tables, residual, fit, bits }, kernels);
  if (residual) await kernels.fitTables(tables, residual, { ...fit, grid });
  return { entries: levelsOf(tables, grid, blocks, inputs * centroids), grid };
}

/** `[P, blocks, c_a, c_w]`, each product summed in float64 and rounded to float32. */
function productsOf(
  { inputCodebooks, codebooks, stacked }: Factors,
  { vector, inputs, centroids }: Pick<ProductsTask, "vector" | "inputs" | "centroids">,
): Float32Array {
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
  const input = transposed(x); // [K, T]
  const out = new Float32Array(rows * x.rows);
  for (let first = 0; first < rows; first += outputsAtATime) {
    const last = Math.min(first + outputsAtATime, rows);
    const some = rowsOf({ rows, columns, data: weights }, first, last);
    const sums = new Float64Array((last - first) * x.rows);
    await kernels.addCovariance(transposed(some), input, sums);
    out.set(sums, first * x.rows);
  }
  return out;
}

/** Each entry's nearest level. */
function levelsOf(
  tables: Float32Array,
  { minimums, steps, levels }: Grid,
  blocks: number,
  size: number,
): Uint8Array {
  const out = new Uint8Array(tables.length);
  for (let first = 0; first < tables.length; first += size) {
    const block = (first / size) % blocks;
    const [minimum, step] = [minimums[block], steps[block]];
    for (let at = first; at < first + size; at++) out[at] = nearestLevel(tables[at], minimum, step, levels);
  }
  return out;
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
