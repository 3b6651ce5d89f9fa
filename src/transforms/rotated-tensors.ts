import type { TensorInfo } from "../checkpoint/safetensors.js";
import type { RowRange } from "../checkpoint/tensor-source.js";
import { rangeOf, readMatrix, readVector } from "../checkpoint/tensors.js";
import { hadamardSize } from "../kernels/hadamard-matrix.js";
import type { Kernels } from "../kernels/kernels.js";
import { randomStream } from "../kernels/random.js";
import { type LinearInfo, linearsOf, type ModelDescription } from "../model/architecture.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import type { Matrix } from "../tensor/matrix.js";
import { bytesOf } from "../tensor/tensor.js";
import { inFloat32 } from "./folded-norms.js";
import type { Rotations } from "./hadamard.js";

type Reading = Pick<Kernels, "widen" | "hadamard">;

/**
 * A checkpoint whose channels are rotated: a linear's columns with what it reads, its rows and its bias with what it writes.
 * Norms over rotated channels have weights of 1, theirs are in the linears behind them; so a head that was tied to the
 * embedding is a tensor of its own.
 *
 * Tensors are rotated as they are read, in float64 by side, each side rounded to float32. Of a tensor whose rows are rotated
 * all rows are needed for one: when only some are read, all of that tensor stay in memory, `4 · N · K` bytes, until another
 * one is read so.
 *
 * @param signs `[hidden]`, ±1, by which the residual stream is multiplied first; null for none.
 */
export function rotatedTensors(
  checkpoint: DequantizedCheckpoint,
  description: ModelDescription,
  rotations: Rotations,
  signs: Float32Array | null,
  kernels: Reading,
): DequantizedCheckpoint {
  const { embedding, head } = description;
  const isTied = head?.tensor === embedding && rotations.groups.length > 0;
  const { turns, norms } = turnsOf(description, rotations, signs);
  const headTurn = head && turns.get(head.tensor);
  if (isTied && headTurn) turns.set(`${head.name}.weight`, { ...headTurn, from: embedding, norm: head.norm });
  const tensors = new Map(checkpoint.tensors);
  for (const [name, { from }] of turns) tensors.set(name, inFloat32(checkpoint.tensors.get(from)!));
  for (const norm of norms) tensors.set(norm, inFloat32(checkpoint.tensors.get(norm)!));
  const whole = rememberingLast((turn: Turn) => turned(checkpoint, turn, kernels));
  return {
    ...checkpoint,
    config: isTied ? { ...checkpoint.config, tie_word_embeddings: false } : checkpoint.config,
    tensors,
    rotations: rotations.inputs,
    async read(name, range) {
      const rows = () => rangeOf(tensors.get(name)!, name, range);
      if (norms.has(name)) return bytesOf(new Float32Array(rows().last - rows().first).fill(1));
      const turn = turns.get(name);
      if (turn === undefined) return checkpoint.read(name, range);
      const isPart = range !== undefined && !isAll(range, tensors.get(name)!);
      if (!isPart || turn.rows === null)
        return bytesOf((await turned(checkpoint, turn, kernels, range)).data);
      const { columns, data } = await whole(turn);
      return bytesOf(data.slice(rows().first * columns, rows().last * columns));
    },
  };
}

/** ±1 for each channel. */
export function randomSigns(size: number, seed: number): Float32Array {
  const next = randomStream(seed);
  return Float32Array.from({ length: size }, () => (next() < 0.5 ? 1 : -1));
}

/** What is done to a tensor. */
interface Turn {
  /** The tensor of the checkpoint that it is made of. */
  readonly from: string;
  /** A norm whose weights its columns are multiplied by. */
  readonly norm: string | null;
  /** How its columns are rotated, and its rows; a vector has rows. */
  readonly columns: Side | null;
  readonly rows: Side | null;
}

interface Side {
  readonly size: number;
  readonly signs: Float32Array | null;
}

function turnsOf(
  { blocks, head, embedding }: Pick<ModelDescription, "blocks" | "head" | "embedding">,
  { groups, inputs }: Rotations,
  signs: Float32Array | null,
): { turns: Map<string, Turn>; norms: ReadonlySet<string> } {
  const all = linearsOf({ blocks, head });
  const linears = all.filter(({ tensor }) => tensor !== embedding);
  const byTensor = new Map(linears.map((linear): [string, LinearInfo] => [linear.tensor, linear]));
  const isNorm = new Set(all.flatMap(({ norm }) => norm ?? []));
  const turns = new Map<string, Turn>();
  const norms = new Set<string>();
  for (const { name, size, places } of groups) {
    const side: Side = { size: hadamardSize(size), signs: name === "residual" ? signs : null };
    for (const { tensor, along } of places) {
      if (isNorm.has(tensor)) norms.add(tensor);
      else turns.set(tensor, { ...(turns.get(tensor) ?? untouched(tensor)), [along]: side });
    }
  }
  for (const linear of blocks.flat()) {
    const input = inputs.get(linear.name);
    if (input === undefined) continue;
    const columns: Side = { size: input.size, signs: null };
    turns.set(linear.tensor, { ...(turns.get(linear.tensor) ?? untouched(linear.tensor)), columns });
  }
  for (const [tensor, turn] of turns) {
    const norm = byTensor.get(tensor)?.norm ?? null;
    if (norm !== null && norms.has(norm)) turns.set(tensor, { ...turn, norm });
  }
  return { turns, norms };
}

function untouched(tensor: string): Turn {
  return { from: tensor, norm: null, columns: null, rows: null };
}

/** A tensor as it is read, or some rows of one whose rows are not rotated. */
async function turned(
  checkpoint: DequantizedCheckpoint,
  { from, norm, columns, rows }: Turn,
  kernels: Reading,
  range?: RowRange,
): Promise<Matrix> {
  if (checkpoint.tensors.get(from)?.shape.length === 1) {
    const data = await readVector(checkpoint, from, kernels);
    const vector = { rows: 1, columns: data.length, data };
    return rows ? turnedColumns(vector, rows, null, kernels) : vector;
  }
  const matrix = await readMatrix(checkpoint, from, kernels, range);
  const weights = norm === null ? null : await readVector(checkpoint, norm, kernels);
  const inner = columns ? await turnedColumns(matrix, columns, weights, kernels) : matrix;
  return rows ? turnedRows(inner, rows, kernels) : inner;
}

async function turnedColumns(
  { rows, columns, data }: Matrix,
  { size, signs }: Side,
  weights: Float32Array | null,
  kernels: Reading,
): Promise<Matrix> {
  // A product with a sign is exact, so the weights of a norm go in with them.
  const factors = weights && signs ? weights.map((weight, k) => weight * signs[k]) : (weights ?? signs);
  return { rows, columns, data: await kernels.hadamard(data, { columns, size, factors }) };
}

/** Values that are in memory transposed at a time. */
const transposedValues = 2 ** 22;

async function turnedRows(
  { rows, columns, data }: Matrix,
  { size, signs }: Side,
  kernels: Reading,
): Promise<Matrix> {
  const out = new Float32Array(data.length);
  const step = Math.max(1, Math.floor(transposedValues / rows));
  for (let first = 0; first < columns; first += step) {
    const count = Math.min(step, columns - first);
    const some = new Float32Array(rows * count);
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < count; i++) some[i * rows + row] = data[row * columns + first + i];
    const mixed = await kernels.hadamard(some, { columns: rows, size, factors: signs });
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < count; i++) out[row * columns + first + i] = mixed[i * rows + row];
  }
  return { rows, columns, data: out };
}

function isAll({ first, last }: RowRange, { shape }: TensorInfo): boolean {
  return first === 0 && last === shape[0];
}

/** Makes something of a key once, as long as no other key is asked for. */
function rememberingLast<Key, Value>(make: (key: Key) => Promise<Value>): (key: Key) => Promise<Value> {
  let last: { readonly key: Key; readonly value: Promise<Value> } | null = null;
  return (key) => {
    if (last?.key !== key) last = { key, value: make(key) };
    return last.value;
  };
}
