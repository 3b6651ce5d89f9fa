/*
 * What a linear loads and computes by each representation that LUT-LLM compares (arXiv 2511.06174 §III, its symbols in
 * brackets): centroids of weights alone, of inputs alone, of both. Bytes once for all tokens, arithmetic a token.
 */

/** A linear as those formulas see it. */
export interface Shape {
  /** M: outputs. */
  readonly rows: number;
  /** D: inputs. */
  readonly columns: number;
  /** v: inputs of a position. */
  readonly vector: number;
  /** c_w: centroids of a codebook of weights. */
  readonly centroids: number;
  /** c_a: centroids of the inputs at a position. */
  readonly inputs: number;
  /** S: runs of outputs with a codebook each at every position; M / G. */
  readonly blocks: number;
  /** Of a table's entry. */
  readonly entryBits: number;
  /** The part of each block's codebook or table that is this linear's, where others of the model use the same. */
  readonly shareOfBlock: number;
  /** The part of the inputs' codebooks that is this linear's, where others have the same inputs. */
  readonly shareOfInput: number;
}

export interface Representation {
  /** Bytes loaded from off-chip memory. */
  readonly tables: number;
  readonly ids: number;
  readonly codebooks: number;
  /** Multiplications, additions and comparisons for a token. */
  readonly arithmetic: number;
}

/** Weights are looked up in their codebooks, float32, and multiplied with the inputs. */
export function weightCentroids(shape: Shape): Representation {
  const { rows, columns } = shape;
  const codebooks = positions(shape) * shape.blocks * shape.shareOfBlock * shape.centroids * shape.vector * 4;
  return { tables: 0, ids: idBytes(shape), codebooks, arithmetic: 2 * rows * columns };
}

/** For each position and output a table of the products with the inputs' centroids: `M · D · c_a / v` entries. */
export function inputCentroids(shape: Shape): Representation {
  const entries = positions(shape) * shape.rows * shape.inputs;
  const tables = (entries * shape.entryBits) / 8;
  return { tables, ids: 0, codebooks: inputCodebooks(shape), arithmetic: lookedUp(shape) };
}

/** For each position and block a table of the products of both: `M · D · c_a · c_w / (G · v)` entries. */
export function bothCentroids(shape: Shape): Representation {
  const entries = positions(shape) * shape.blocks * shape.shareOfBlock * shape.inputs * shape.centroids;
  const tables = (entries * shape.entryBits) / 8;
  return { tables, ids: idBytes(shape), codebooks: inputCodebooks(shape), arithmetic: lookedUp(shape) };
}

export function loadedBytes({ tables, ids, codebooks }: Representation): number {
  return tables + ids + codebooks;
}

function positions({ columns, vector }: Shape): number {
  return columns / vector;
}

/** `M · D · log2(c_w) / (8 v)`. */
function idBytes(shape: Shape): number {
  return (shape.rows * positions(shape) * Math.ceil(Math.log2(shape.centroids))) / 8;
}

/** `4 · D · c_a`: float32. */
function inputCodebooks({ columns, inputs, shareOfInput }: Shape): number {
  return 4 * columns * inputs * shareOfInput;
}

/** An addition for each entry looked up; in the search a subtraction and a comparison for each component of a centroid. */
function lookedUp(shape: Shape): number {
  const { rows, columns, inputs, shareOfInput } = shape;
  return positions(shape) * rows + 2 * columns * inputs * shareOfInput;
}
