import { type FitTablesTask, type Grid, usesAt } from "../kernels/fit-tables.js";
import type { Kernels } from "../kernels/kernels.js";
import { leastErrorRange } from "./least-error-range.js";
import type { StackedLinears } from "./stacked-linears.js";

/** Tables and all that they are fitted to. */
export interface TablesToRound {
  readonly stacked: StackedLinears;
  /** `[P, blocks, c_a, c_w]`. */
  readonly tables: Float32Array;
  /** What the outputs lack with these tables, `[N, T]`; null where entries are only rounded. */
  readonly residual: Float32Array | null;
  readonly fit: FitTablesTask;
  /** Of an entry. */
  readonly bits: number;
}

/**
 * Blocks that share their levels, as hardware scales them: those of a linear with one scale; of attention each on its
 * own.
 */
interface SharedBlocks {
  readonly first: number;
  readonly count: number;
}

/**
 * How far the range of least error is narrowed, at most, and by what each time: a narrower one may be better made up
 * for.
 */
const narrowings = 6;
const narrowing = 0.75;

/** Tokens that narrower ranges are tried on, at most. */
export const triedTokens = 1024;

/**
 * The levels that the entries of each block can take. From the range of least squared error, by use, ranges are narrowed
 * as long as that leaves less after all entries were fitted on the grid: entries that are cut off are rare, and other
 * positions make up for them better than for the noise of wide steps.
 */
export async function tableGrids(task: TablesToRound, kernels: Kernels): Promise<Grid> {
  const widest = leastErrorGrid(task);
  const { residual } = task;
  if (residual === null) return widest;
  const some = fewerTokens(task, residual);
  const groups = sharedBlocks(task.stacked);
  const best = { ...widest, minimums: widest.minimums.slice(), steps: widest.steps.slice() };
  const least = groups.map(() => Number.POSITIVE_INFINITY);
  for (let narrowed = 0; narrowed < narrowings; narrowed++) {
    const share = narrowing ** narrowed;
    const grid = {
      ...widest,
      minimums: widest.minimums.map((minimum) => minimum * share),
      steps: widest.steps.map((step) => step * share),
    };
    const left = some.residual.slice();
    await kernels.fitTables(task.tables.slice(), left, { ...some.fit, grid });
    const energies = energyByBlock(left, task.fit);
    for (const [at, { first, count }] of groups.entries()) {
      const energy = energies.subarray(first, first + count).reduce((sum, value) => sum + value, 0);
      if (!(energy < least[at])) continue;
      least[at] = energy;
      best.minimums.fill(grid.minimums[first], first, first + count);
      best.steps.fill(grid.steps[first], first, first + count);
    }
  }
  return best;
}

function sharedBlocks({ parts }: StackedLinears): readonly SharedBlocks[] {
  const groups = new Map<number, SharedBlocks>();
  for (const { firstBlock, blocks, magnitudes } of parts) {
    const count = magnitudes.length > 1 ? 1 : blocks;
    for (let first = firstBlock; first < firstBlock + blocks; first += count)
      groups.set(first, { first, count });
  }
  return [...groups.values()];
}

function leastErrorGrid({ stacked, tables, fit, bits }: TablesToRound): Grid {
  const { blocks } = stacked;
  const levels = 2 ** bits - 1;
  const uses = usesOf(fit);
  const minimums = new Float32Array(blocks);
  const steps = new Float32Array(blocks);
  for (const shared of sharedBlocks(stacked)) {
    const { minimum, step } = leastErrorRange(
      ofBlocks(tables, fit, shared),
      ofBlocks(uses, fit, shared),
      levels,
    );
    minimums.fill(minimum, shared.first, shared.first + shared.count);
    steps.fill(step, shared.first, shared.first + shared.count);
  }
  return { minimums, steps, levels };
}

/** `[P, count, c_a, c_w]` of `[P, blocks, c_a, c_w]`. */
function ofBlocks(
  values: Float32Array,
  { blocks, inputs, centroids }: FitTablesTask,
  { first, count }: SharedBlocks,
): Float32Array {
  const size = inputs * centroids;
  const positions = values.length / blocks / size;
  const out = new Float32Array(positions * count * size);
  for (let position = 0; position < positions; position++) {
    const from = (position * blocks + first) * size;
    out.set(values.subarray(from, from + count * size), position * count * size);
  }
  return out;
}

/** `[P, blocks, c_a, c_w]`: how many outputs of the sample meet each entry. */
function usesOf(fit: FitTablesTask): Float32Array {
  const { inputs, centroids, blocks } = fit;
  const positions = fit.ids.length / fit.blockOfRow.length;
  const out = new Float32Array(positions * blocks * inputs * centroids);
  for (let position = 0, at = 0; position < positions; position++) {
    const { ofInput, ofWeight } = usesAt(position, fit);
    for (let block = 0; block < blocks; block++) {
      for (let input = 0; input < inputs; input++) {
        for (let id = 0; id < centroids; id++) out[at++] = ofInput[input] * ofWeight[block * centroids + id];
      }
    }
  }
  return out;
}

/** The same with every so-manieth token. */
function fewerTokens({ fit, stacked }: TablesToRound, residual: Float32Array) {
  const { rows } = stacked;
  const tokens = residual.length / rows;
  const each = Math.ceil(tokens / triedTokens);
  const some = Math.ceil(tokens / each);
  const thinned = <Values extends Float32Array | Uint8Array>(values: Values, out: Values): Values => {
    for (let at = 0; at < out.length; at++)
      out[at] = values[Math.floor(at / some) * tokens + (at % some) * each];
    return out;
  };
  const inputIds = thinned(fit.inputIds, new Uint8Array((fit.inputIds.length / tokens) * some));
  return {
    residual: thinned(residual, new Float32Array(rows * some)),
    fit: { ...fit, inputIds, inertia: fit.inertia / each },
  };
}

/** The squares of what outputs `[N, T]` lack, summed by block. */
function energyByBlock(residual: Float32Array, { blockOfRow, blocks }: FitTablesTask): Float64Array {
  const tokens = residual.length / blockOfRow.length;
  const sums = new Float64Array(blocks);
  for (const [row, block] of blockOfRow.entries()) {
    for (let at = row * tokens; at < (row + 1) * tokens; at++) sums[block] += residual[at] * residual[at];
  }
  return sums;
}
