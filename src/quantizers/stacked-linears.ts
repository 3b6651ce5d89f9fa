import type { LinearToFit } from "./calibrated-quantizer.js";

/** Linears of one input as one weight: the rows of all, one linear after another. */
export interface StackedLinears {
  /** N of all together. */
  readonly rows: number;
  /** K. */
  readonly columns: number;
  /** `[N, K]`, each run of rows divided by its magnitude. */
  readonly weights: Float32Array;
  /** `[N]`: the block whose codebooks a row has. */
  readonly blockOfRow: Int32Array;
  readonly blocks: number;
  readonly parts: readonly StackedPart[];
}

/** One of the linears. */
export interface StackedPart {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstBlock: number;
  readonly blocks: number;
  /** Root mean square of the weights of each run of rows. */
  readonly magnitudes: Float32Array;
}

/** How a linear is cut. */
export interface StackShape {
  readonly blocks: number;
  /** Whether the blocks are those of the linears before: the same key-value heads of queries, keys and values. */
  readonly shared: boolean;
  /** Runs of rows with magnitudes of their own. */
  readonly runs: number;
}

/**
 * Stacks linears, those that share blocks in the same blocks and all others in blocks of their own. Rows are brought to one
 * magnitude run by run, so that what shares a codebook is alike: a head or a linear where there are scales for it, else a
 * block.
 */
export function stack(
  linears: readonly LinearToFit[],
  shapeOf: (linear: LinearToFit, at: number) => StackShape,
): StackedLinears {
  const { columns } = linears[0];
  const rows = linears.reduce((sum, linear) => sum + linear.rows, 0);
  const weights = new Float32Array(rows * columns);
  const blockOfRow = new Int32Array(rows);
  const parts: StackedPart[] = [];
  let [firstRow, nextBlock] = [0, 0];
  for (const [at, linear] of linears.entries()) {
    const { blocks, shared, runs } = shapeOf(linear, at);
    const firstBlock = shared && parts.length > 0 ? parts[0].firstBlock : nextBlock;
    for (let row = 0; row < linear.rows; row++)
      blockOfRow[firstRow + row] = firstBlock + Math.floor(row / (linear.rows / blocks));
    const magnitudes = magnitudesOf(linear, runs);
    const runLength = linear.weight.data.length / magnitudes.length;
    for (const [run, magnitude] of magnitudes.entries()) {
      const first = run * runLength;
      for (let i = first; i < first + runLength; i++)
        weights[firstRow * columns + i] = linear.weight.data[i] / magnitude;
    }
    parts.push({ firstRow, rows: linear.rows, firstBlock, blocks, magnitudes });
    firstRow += linear.rows;
    nextBlock = Math.max(nextBlock, firstBlock + blocks);
  }
  return { rows, columns, weights, blockOfRow, blocks: nextBlock, parts };
}

/** 1 for a run of zeros. */
function magnitudesOf({ rows, columns, weight }: LinearToFit, runs: number): Float32Array {
  const length = (rows / runs) * columns;
  return Float32Array.from({ length: runs }, (_, run) => {
    let sum = 0;
    for (let i = run * length; i < (run + 1) * length; i++) sum += weight.data[i] * weight.data[i];
    return Math.sqrt(sum / length) || 1;
  });
}

/** The ids of one part, `[P, N]`, of those of all. */
export function idsOfPart({ rows }: StackedLinears, part: StackedPart, ids: Uint8Array): Uint8Array {
  const positions = ids.length / rows;
  const out = new Uint8Array(positions * part.rows);
  for (let position = 0; position < positions; position++) {
    const first = position * rows + part.firstRow;
    out.set(ids.subarray(first, first + part.rows), position * part.rows);
  }
  return out;
}

/** What `values` `[P, blocks, …]` hold for the blocks of one part, `[P, S, …]`. */
export function blocksOfPart<Values extends Float32Array | Uint8Array>(
  { blocks, columns }: StackedLinears,
  part: StackedPart,
  values: Values,
  vector: number,
): Values {
  const positions = columns / vector;
  const size = values.length / positions / blocks;
  const out = values.slice(0, positions * part.blocks * size) as Values;
  for (let position = 0; position < positions; position++) {
    const first = (position * blocks + part.firstBlock) * size;
    out.set(values.subarray(first, first + part.blocks * size), position * part.blocks * size);
  }
  return out;
}

/** The codebooks of one part, `[P, S, c_w, v]`, of those of all, in the weights' own magnitudes. */
export function codebooksOfPart(
  stacked: StackedLinears,
  part: StackedPart,
  codebooks: Float32Array,
  vector: number,
): Float32Array {
  const { blocks, magnitudes } = part;
  const own = blocksOfPart(stacked, part, codebooks, vector);
  const size = own.length / (stacked.columns / vector) / blocks;
  return own.map((value, at) => {
    const block = Math.floor(at / size) % blocks;
    return value * magnitudes[Math.floor((block * magnitudes.length) / blocks)];
  });
}
