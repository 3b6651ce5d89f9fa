import { LuthierError } from "../../error.js";
import type { RotaryTables } from "../../model/rope.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { sumOfRuns, sumOfTree } from "./sums.js";

/** Elements of a query and a key that are multiplied at once (gqa/gqa.h); a head has a multiple of them. */
export const headLanes = 32;

/** Keys that are weighted at once. */
const keyLanes = 16;

/** One window of queries and keys, rotated, and values: `[length, heads · headSize]` each. */
export interface WindowInput {
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/**
 * Turns each head by its position: with x₁ the first half of a head and x₂ the second, `x₁ · cos − x₂ · sin` and
 * `x₂ · cos + x₁ · sin`.
 */
export function rotate({ rows, columns, data }: Matrix, { cosine, sine }: RotaryTables): Matrix {
  const half = cosine.length / rows;
  const out = matrix(rows, columns);
  for (let first = 0; first < data.length; first += 2 * half) {
    const angles = Math.floor(first / columns) * half;
    for (let i = 0; i < half; i++) {
      const [c, s] = [cosine[angles + i], sine[angles + i]];
      const [low, high] = [data[first + i], data[first + half + i]];
      out.data[first + i] = Math.fround(low * c) - Math.fround(high * s);
      out.data[first + half + i] = Math.fround(high * c) + Math.fround(low * s);
    }
  }
  return out;
}

/**
 * Causal attention, `[length, heads · headSize]`.
 * @throws LuthierError when exponentials of scores, of which the kernel does not subtract the largest, leave float32.
 */
export function attendWindow(input: WindowInput): Matrix {
  const { query, heads, keyValueHeads, headSize } = input;
  const out = matrix(query.rows, query.columns);
  const weights = new Float32Array(Math.ceil(query.rows / keyLanes) * keyLanes);
  for (let head = 0; head < heads; head++) {
    const first = Math.floor((head * keyValueHeads) / heads) * headSize;
    for (let token = 0; token < query.rows; token++) {
      const at = token * query.columns + head * headSize;
      const own = query.data.subarray(at, at + headSize);
      for (let key = 0; key <= token; key++) weights[key] = score(own, input.key, key, first);
      softmax(weights, token + 1, headSize, `head ${head}, token ${token}`);
      mix(weights, token + 1, input.value, first, out.data.subarray(at, at + headSize));
    }
  }
  return out;
}

const products = new Float32Array(headLanes);

/** q · k: 32 sums side by side over the head, then these added. */
function score(query: Float32Array, { columns, data }: Matrix, token: number, firstColumn: number): number {
  const from = token * columns + firstColumn;
  products.fill(0);
  for (let first = 0; first < query.length; first += headLanes) {
    for (let k = 0; k < headLanes; k++) {
      products[k] += Math.fround(query[first + k] * data[from + first + k]);
    }
  }
  return sumOfRuns(products);
}

const exponentials = new Float32Array(keyLanes);

/** Scores to weights in place: `exp(score / √headSize)` times the inverse of their sum. The rest is set to 0. */
function softmax(scores: Float32Array, count: number, headSize: number, where: string): void {
  const scale = Math.fround(1 / Math.sqrt(headSize));
  for (let key = 0; key < count; key++) scores[key] = Math.exp(Math.fround(scores[key] * scale));
  scores.fill(0, count);
  let sum = 0;
  for (let first = 0; first < count; first += keyLanes) {
    exponentials.set(scores.subarray(first, first + keyLanes));
    sum = Math.fround(sum + sumOfTree(exponentials));
  }
  const inverse = Math.fround(1 / sum);
  if (!Number.isFinite(sum) || !Number.isFinite(inverse)) {
    throw new LuthierError(
      `attention of ${where}: the exponentials of its scores add up to ${sum} in float32, as the kernel does not subtract the largest score`,
      "score the pack with `fidelity: linears`, or give the kernel a model with smaller queries and keys",
    );
  }
  for (let key = 0; key < count; key++) scores[key] *= inverse;
}

/** Values by their weights: 16 sums side by side over the keys, then these added. */
function mix(
  weights: Float32Array,
  count: number,
  { columns, data }: Matrix,
  firstColumn: number,
  out: Float32Array,
): void {
  const size = out.length;
  const sums = new Float32Array(keyLanes * size); // [lane, headSize]
  for (let key = 0; key < count; key++) {
    const to = (key % keyLanes) * size;
    const from = key * columns + firstColumn;
    for (let i = 0; i < size; i++) sums[to + i] += Math.fround(weights[key] * data[from + i]);
  }
  const ofElement = new Float32Array(keyLanes);
  for (let i = 0; i < size; i++) {
    for (let lane = 0; lane < keyLanes; lane++) ofElement[lane] = sums[lane * size + i];
    out[i] = sumOfRuns(ofElement);
  }
}
