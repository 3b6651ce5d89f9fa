import type { Matrix } from "../tensor/matrix.js";
import { matrix } from "../tensor/matrix.js";
import { nearestCentroids } from "./centroid-search.js";

/** A linear by its tables: `y[n] = Σ_p entries[p][block of n][input's id][weight's id] · scale − bias`. */
export interface TableProduct {
  /** N. */
  readonly rows: number;
  /** K. */
  readonly columns: number;
  /** v: inputs of a position; P = K / v. */
  readonly vector: number;
  /** c_w: centroids of a codebook of weights. */
  readonly centroids: number;
  /** S: runs of outputs with tables of their own. */
  readonly blocks: number;
  /** c_a: centroids of the input at each position. */
  readonly inputs: number;
  /** `[P, c_a, v]`. */
  readonly inputCodebooks: Float32Array;
  /** `[P, N]`. */
  readonly ids: Uint8Array;
  /** `[P, S, c_a, c_w]`. */
  readonly entries: Uint8Array;
  /** Equal runs of outputs. */
  readonly scales: Float32Array;
  /** As `scales`. */
  readonly biases: Float32Array;
}

/**
 * The product of all tokens `[tokens, K]`, `[tokens, N]`: the nearest centroid of each input vector, the sums of the entries
 * that it and the weights' ids pick, their scale and bias. The reference of the native kernel.
 */
export function tableProduct(input: Matrix, product: TableProduct): Matrix {
  const inputIds = nearestCentroids(input, product.inputCodebooks, product.vector);
  return scaleSums(tableSums(inputIds, input.rows, product), product);
}

/**
 * The sums of the entries that each token's inputs and each output's ids meet, `[tokens, N]`: unsigned integers, at most
 * 255 · P, so their order is free.
 * @param inputIds `[P, tokens]`, as `nearestCentroids` gives them.
 */
export function tableSums(inputIds: Uint8Array, tokens: number, product: TableProduct): Uint32Array {
  const { rows, columns, vector, centroids, blocks, inputs, ids, entries } = product;
  const sums = new Uint32Array(tokens * rows);
  const blockRows = rows / blocks;
  for (let position = 0; position < columns / vector; position++) {
    for (let token = 0; token < tokens; token++) {
      const input = inputIds[position * tokens + token];
      for (let row = 0; row < rows; row++) {
        const block = position * blocks + Math.floor(row / blockRows);
        sums[token * rows + row] +=
          entries[(block * inputs + input) * centroids + ids[position * rows + row]];
      }
    }
  }
  return sums;
}

/** `sum · scale − bias`, both steps rounded to float32: `[tokens, N]`. */
export function scaleSums(sums: Uint32Array, { rows, scales, biases }: TableProduct): Matrix {
  const out = matrix(sums.length / rows, rows);
  const run = rows / scales.length;
  for (let i = 0; i < sums.length; i++) {
    const at = Math.floor((i % rows) / run);
    out.data[i] = Math.fround(Math.fround(sums[i]) * scales[at]) - biases[at];
  }
  return out;
}
