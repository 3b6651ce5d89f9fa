import { nearestLevel } from "./round-to-nearest.js";

/** Which entry of the tables `[P, blocks, c_a, c_w]` a token and an output meet at each position. */
export interface TableLookups {
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
}

export interface FitTablesTask extends TableLookups {
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

/** Positions that are fitted between two passes over the residual. */
const run = 8;

/** Tokens whose sums are float32 before they go to the float64 sums. */
const chunk = 256;

/**
 * Fits the tables of two-dimensional lookups to outputs, one position after another: given all others, the least-squares
 * entry of an (input id, weight id) cell is its mean of what is missing, since every token and output meets exactly one
 * cell of a position. On a grid each entry takes the nearest level, and later positions make up for the difference. The
 * reference of the native kernel.
 *
 * The residual is large, so it is gone through once for 8 positions: what those before in the run have changed is taken off
 * the later ones' sums instead. All sums over outputs are float32 in the order of the outputs, those over tokens float32
 * within 256 tokens and float64 beyond, in the order of the tokens.
 *
 * @param tables `[P, blocks, c_a, c_w]`, changed in place.
 * @param residual `[N, T]`: what the outputs lack with these tables; in the end, with the fitted ones.
 */
export function fitTables(tables: Float32Array, residual: Float32Array, task: FitTablesTask): void {
  const { positions } = sizesOf(task);
  for (let sweep = 0; sweep < task.sweeps; sweep++) {
    for (let first = 0; first < positions; first += run) {
      const changes: Float32Array[] = [];
      for (let position = first; position < Math.min(first + run, positions); position++) {
        const sums = sumsOfCells(sumsOfOutputs(residual, position, task), position, task);
        const later = sumsOfCells(sumsOfChanges(changes, first, position, task), position, task);
        for (let i = 0; i < sums.length; i++) sums[i] -= later[i];
        changes.push(fitEntries(tableOf(tables, position, task), sums, position, task));
      }
      for (const [i, change] of changes.entries()) subtract(residual, change, first + i, task);
    }
  }
}

/** Takes what tables `[P, blocks, c_a, c_w]` give for each output off a residual `[N, T]`, position after position. */
export function subtractTables(tables: Float32Array, residual: Float32Array, lookups: TableLookups): void {
  const { positions } = sizesOf(lookups);
  for (let position = 0; position < positions; position++)
    subtract(residual, tableOf(tables, position, lookups), position, lookups);
}

/** @throws RangeError when the arrays do not fit one another. */
export function checkTables(tables: Float32Array, residual: Float32Array, lookups: TableLookups): void {
  const { inputs, centroids, blocks, inputIds, ids } = lookups;
  const { rows, positions, tokens } = sizesOf(lookups);
  if (!(Number.isInteger(positions) && Number.isInteger(tokens) && tokens > 0))
    throw new RangeError(
      `${ids.length} ids of ${rows} outputs and ${inputIds.length} of inputs are no positions`,
    );
  if (tables.length !== positions * blocks * inputs * centroids)
    throw new RangeError(`${positions} positions of ${blocks} blocks do not have ${tables.length} entries`);
  if (residual.length !== rows * tokens)
    throw new RangeError(`${rows} outputs of ${tokens} tokens are not ${residual.length} values`);
}

/** N, P and T. */
function sizesOf({ inputIds, ids, blockOfRow }: TableLookups) {
  const rows = blockOfRow.length;
  const positions = ids.length / rows;
  return { rows, positions, tokens: inputIds.length / positions };
}

function tableOf(
  tables: Float32Array,
  position: number,
  { blocks, inputs, centroids }: TableLookups,
): Float32Array {
  const size = blocks * inputs * centroids;
  return tables.subarray(position * size, (position + 1) * size);
}

/** `[blocks, c_w, T]`: what the outputs of each id lack. */
function sumsOfOutputs(residual: Float32Array, position: number, lookups: TableLookups): Float32Array {
  const { centroids, ids, blockOfRow, blocks } = lookups;
  const { rows, tokens } = sizesOf(lookups);
  const out = new Float32Array(blocks * centroids * tokens);
  for (let row = 0; row < rows; row++) {
    const to = (blockOfRow[row] * centroids + ids[position * rows + row]) * tokens;
    for (let token = 0; token < tokens; token++) out[to + token] += residual[row * tokens + token];
  }
  return out;
}

/** `[blocks, c_w, T]`: how much of that the positions of the run from `first` to before this one have given since. */
function sumsOfChanges(
  changes: readonly Float32Array[],
  first: number,
  position: number,
  lookups: TableLookups,
): Float32Array {
  const { inputs, centroids, inputIds, ids, blockOfRow, blocks } = lookups;
  const { rows, tokens } = sizesOf(lookups);
  const out = new Float32Array(blocks * centroids * tokens);
  for (const [i, change] of changes.entries()) {
    const earlier = first + i;
    const given = new Float32Array(blocks * inputs * centroids); // by the earlier input id and this weight id
    for (let row = 0; row < rows; row++) {
      for (let input = 0; input < inputs; input++) {
        const table = (blockOfRow[row] * inputs + input) * centroids;
        given[table + ids[position * rows + row]] += change[table + ids[earlier * rows + row]];
      }
    }
    for (let token = 0; token < tokens; token++) {
      const input = inputIds[earlier * tokens + token];
      for (let block = 0; block < blocks; block++) {
        for (let id = 0; id < centroids; id++)
          out[(block * centroids + id) * tokens + token] += given[(block * inputs + input) * centroids + id];
      }
    }
  }
  return out;
}

/** `[blocks, c_a, c_w]` of `[blocks, c_w, T]`: the sums over the tokens of each input id. */
function sumsOfCells(perToken: Float32Array, position: number, lookups: TableLookups): Float64Array {
  const { inputs, centroids, inputIds, blocks } = lookups;
  const { tokens } = sizesOf(lookups);
  const out = new Float64Array(blocks * inputs * centroids);
  for (let from = 0; from < tokens; from += chunk) {
    const sums = new Float32Array(out.length);
    for (let token = from; token < Math.min(from + chunk, tokens); token++) {
      const input = inputIds[position * tokens + token];
      for (let block = 0; block < blocks; block++) {
        for (let id = 0; id < centroids; id++)
          sums[(block * inputs + input) * centroids + id] +=
            perToken[(block * centroids + id) * tokens + token];
      }
    }
    for (let i = 0; i < out.length; i++) out[i] += sums[i];
  }
  return out;
}

/** How many tokens have each input id at a position, `[c_a]`, and how many outputs each weight id, `[blocks, c_w]`. */
export function usesAt(
  position: number,
  lookups: TableLookups,
): { readonly ofInput: Float64Array; readonly ofWeight: Float64Array } {
  const { inputs, centroids, inputIds, ids, blockOfRow, blocks } = lookups;
  const { rows, tokens } = sizesOf(lookups);
  const ofInput = new Float64Array(inputs);
  const ofWeight = new Float64Array(blocks * centroids);
  for (let token = 0; token < tokens; token++) ofInput[inputIds[position * tokens + token]]++;
  for (let row = 0; row < rows; row++) ofWeight[blockOfRow[row] * centroids + ids[position * rows + row]]++;
  return { ofInput, ofWeight };
}

/** Fits the entries of a position; gives how each changes. */
function fitEntries(
  table: Float32Array,
  sums: Float64Array,
  position: number,
  task: FitTablesTask,
): Float32Array {
  const { inputs, centroids, inertia, grid } = task;
  const { ofInput, ofWeight } = usesAt(position, task);
  return table.map((entry, at) => {
    const block = Math.floor(at / (inputs * centroids));
    const input = Math.floor(at / centroids) % inputs;
    const met = ofWeight[block * centroids + (at % centroids)] * (ofInput[input] + inertia);
    const free = met > 0 ? Math.fround(entry + sums[at] / met) : entry;
    table[at] = grid ? onGrid(free, block, grid) : free;
    return table[at] - entry;
  });
}

/** The value of the level nearest to an entry. */
function onGrid(entry: number, block: number, { minimums, steps, levels }: Grid): number {
  return minimums[block] + steps[block] * nearestLevel(entry, minimums[block], steps[block], levels);
}

/** Takes what a position's table adds to each output off the residual. */
function subtract(
  residual: Float32Array,
  table: Float32Array,
  position: number,
  lookups: TableLookups,
): void {
  const { inputs, centroids, inputIds, ids, blockOfRow } = lookups;
  const { rows, tokens } = sizesOf(lookups);
  for (let row = 0; row < rows; row++) {
    const first = blockOfRow[row] * inputs * centroids + ids[position * rows + row];
    for (let token = 0; token < tokens; token++)
      residual[row * tokens + token] -= table[first + inputIds[position * tokens + token] * centroids];
  }
}
