import { roundHalfToEven } from "./round-to-nearest.js";

export interface FitTablesTask {
  /** c_a and c_w. */
  readonly inputs: number;
  readonly centroids: number;
  /** `[P, T]`: of each position and token the input's centroid. */
  readonly inputIds: Uint8Array;
  /** `[P, N]`: of each position and output the weight's. */
  readonly ids: Uint8Array;
  /** `[N]`: the block of each output. */
  readonly blockOfRow: Int32Array;
  readonly blocks: number;
  /** Times that every table is fitted. */
  readonly sweeps: number;
  /** Tokens' worth of trust in what an entry was before: cells with few tokens change little. */
  readonly inertia: number;
  /** Where entries are to lie; null while they are free. */
  readonly grid: Grid | null;
}

/** Of each block: entries are `minimum + step · k`, `k = 0 … levels`. */
export interface Grid {
  readonly minimums: Float32Array;
  readonly steps: Float32Array;
  readonly levels: number;
}

/**
 * Fits the tables of two-dimensional lookups to outputs, one position after another: given all others, the least-squares
 * entry of an (input id, weight id) cell is the mean of what is missing there, since every token and output meets exactly one
 * cell of a position. On a grid each entry takes the nearest level, and later positions make up for the difference. The
 * reference of the native kernel.
 *
 * Sums over the outputs of a cell at a token are float32 in the order of outputs, those over tokens float64 in their order.
 *
 * @param tables `[P, blocks, c_a, c_w]`, changed in place.
 * @param residual `[N, T]`: the outputs to reach; what is missing at the end.
 */
export function fitTables(tables: Float32Array, residual: Float32Array, task: FitTablesTask): void {
  const { inputIds, ids, blockOfRow, sweeps } = task;
  const rows = blockOfRow.length;
  const positions = ids.length / rows;
  const tokens = inputIds.length / positions;
  for (let position = 0; position < positions; position++)
    subtract(residual, tableOf(tables, position, task), position, tokens, task);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let position = 0; position < positions; position++) {
      const table = tableOf(tables, position, task);
      const change = fitted(table, cellsOf(residual, position, tokens, task), task);
      for (let i = 0; i < table.length; i++) table[i] += change[i];
      subtract(residual, change, position, tokens, task);
    }
  }
}

function tableOf(
  tables: Float32Array,
  position: number,
  { blocks, inputs, centroids }: FitTablesTask,
): Float32Array {
  const size = blocks * inputs * centroids;
  return tables.subarray(position * size, (position + 1) * size);
}

interface Cells {
  /** `[blocks, c_a, c_w]`: what is missing, summed over tokens and outputs. */
  readonly sums: Float64Array;
  /** `[c_a]`: tokens. */
  readonly tokens: Float64Array;
  /** `[blocks, c_w]`: outputs. */
  readonly outputs: Float64Array;
}

function cellsOf(residual: Float32Array, position: number, tokens: number, task: FitTablesTask): Cells {
  const { inputs, centroids, inputIds, ids, blockOfRow, blocks } = task;
  const rows = blockOfRow.length;
  const perToken = new Float32Array(blocks * centroids * tokens); // [blocks, c_w, T]
  const cells: Cells = {
    sums: new Float64Array(blocks * inputs * centroids),
    tokens: new Float64Array(inputs),
    outputs: new Float64Array(blocks * centroids),
  };
  for (let row = 0; row < rows; row++) {
    const cell = blockOfRow[row] * centroids + ids[position * rows + row];
    cells.outputs[cell]++;
    for (let token = 0; token < tokens; token++)
      perToken[cell * tokens + token] += residual[row * tokens + token];
  }
  for (let token = 0; token < tokens; token++) {
    const input = inputIds[position * tokens + token];
    cells.tokens[input]++;
    for (let block = 0; block < blocks; block++) {
      for (let id = 0; id < centroids; id++) {
        const sum = perToken[(block * centroids + id) * tokens + token];
        cells.sums[(block * inputs + input) * centroids + id] += sum;
      }
    }
  }
  return cells;
}

/** How each entry changes. */
function fitted(table: Float32Array, { sums, tokens, outputs }: Cells, task: FitTablesTask): Float32Array {
  const { inputs, centroids, inertia, grid } = task;
  return table.map((entry, at) => {
    const block = Math.floor(at / (inputs * centroids));
    const input = Math.floor(at / centroids) % inputs;
    const weight = outputs[block * centroids + (at % centroids)] * (tokens[input] + inertia);
    const free = weight > 0 ? Math.fround(entry + sums[at] / weight) : entry;
    return (grid ? onGrid(free, block, grid) : free) - entry;
  });
}

/** The level nearest to an entry, half to even. */
function onGrid(entry: number, block: number, { minimums, steps, levels }: Grid): number {
  const level = roundHalfToEven((entry - minimums[block]) / steps[block]);
  return minimums[block] + steps[block] * Math.max(0, Math.min(levels, level));
}

/** Takes what a position's table adds to each output off the residual. */
function subtract(
  residual: Float32Array,
  table: Float32Array,
  position: number,
  tokens: number,
  { inputs, centroids, inputIds, ids, blockOfRow }: FitTablesTask,
): void {
  const rows = blockOfRow.length;
  for (let row = 0; row < rows; row++) {
    const first = blockOfRow[row] * inputs * centroids + ids[position * rows + row];
    for (let token = 0; token < tokens; token++)
      residual[row * tokens + token] -= table[first + inputIds[position * tokens + token] * centroids];
  }
}
