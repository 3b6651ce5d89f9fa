import type { Kernels } from "../kernels/kernels.js";
import { centroidsOf } from "../schemes/represent.js";
import { type Matrix, matrix, transposed } from "../tensor/matrix.js";
import type { CalibrationInputs } from "./calibrated-quantizer.js";
import type { StackedLinears } from "./stacked-linears.js";

/** What calibration text says of an input. `x̂` is the input as it will be represented, `x` that of the float model. */
export interface InputMoments {
  /** `Σ x̂ x̂ᵀ / tokens`, `[K, K]`. */
  readonly second: Float64Array;
  /** `Σ x x̂ᵀ / tokens`, `[K, K]`. */
  readonly cross: Float64Array;
  /** Some tokens, evenly spread. */
  readonly sample: {
    /** `x`, `[tokens, K]`. */
    readonly float: Matrix;
    /** Ids of `x̂`, `[P, tokens]`; null where inputs stay float. */
    readonly ids: Uint8Array | null;
  };
}

/** Tokens that tables are fitted to, at most. */
export const sampleTokens = 8192;

/** Goes through the calibration text once. @param codebooks of the inputs, null where these stay float. */
export async function momentsOf(
  inputs: CalibrationInputs,
  codebooks: Float32Array | null,
  vector: number,
  kernels: Kernels,
): Promise<InputMoments> {
  const size = inputs.quantized[0].columns;
  const tokens = inputs.quantized.reduce((sum, { rows }) => sum + rows, 0);
  const second = new Float64Array(size * size);
  const cross = new Float64Array(size * size);
  const float = matrix(Math.min(tokens, sampleTokens), size);
  const sampleIds = codebooks && new Uint8Array((size / vector) * float.rows);
  let [batch, seen] = [0, 0];
  for await (const x of inputs.float()) {
    const asGiven = inputs.quantized[batch++];
    const ids = codebooks && (await kernels.nearestCentroids(asGiven, codebooks, vector));
    const represented = codebooks && ids ? centroidsOf(ids, codebooks, asGiven, vector) : asGiven;
    await kernels.addCovariance(represented, represented, second);
    await kernels.addCovariance(x, represented, cross);
    for (const { from, to } of spreadRows(x.rows, seen, float.rows, tokens)) {
      float.data.set(x.data.subarray(from * size, (from + 1) * size), to * size);
      if (!ids || !sampleIds) continue;
      for (let position = 0; position < size / vector; position++)
        sampleIds[position * float.rows + to] = ids[position * x.rows + from];
    }
    seen += x.rows;
  }
  for (let i = 0; i < second.length; i++) {
    second[i] /= tokens;
    cross[i] /= tokens;
  }
  return { second, cross, sample: { float, ids: sampleIds } };
}

/** `Σ x̂ x̂ᵀ / tokens` of inputs that stay float, `[K, K]`. */
export async function secondMoments(
  { quantized }: CalibrationInputs,
  kernels: Kernels,
): Promise<Float64Array> {
  const second = new Float64Array(quantized[0].columns ** 2);
  for (const batch of quantized) await kernels.addCovariance(batch, batch, second);
  return overTokens(second, quantized);
}

/** `Σ x̂² / tokens` of inputs that stay float, `[K]`: the second moments of each alone. */
export function meanSquares({ quantized }: CalibrationInputs): Float64Array {
  const sums = new Float64Array(quantized[0].columns);
  for (const { rows, columns, data } of quantized) {
    for (let token = 0, at = 0; token < rows; token++)
      for (let channel = 0; channel < columns; channel++, at++) sums[channel] += data[at] * data[at];
  }
  return overTokens(sums, quantized);
}

/** `Σ x x̂ᵀ / tokens` of inputs that stay float, `[K, K]`. Goes through the float model's inputs. */
export async function crossMoments(inputs: CalibrationInputs, kernels: Kernels): Promise<Float64Array> {
  const { quantized } = inputs;
  const cross = new Float64Array(quantized[0].columns ** 2);
  let batch = 0;
  for await (const x of inputs.float()) await kernels.addCovariance(x, quantized[batch++], cross);
  return overTokens(cross, quantized);
}

function overTokens(sums: Float64Array, batches: readonly Matrix[]): Float64Array {
  const tokens = batches.reduce((sum, { rows }) => sum + rows, 0);
  for (let i = 0; i < sums.length; i++) sums[i] /= tokens;
  return sums;
}

/** Evenly spread rows of some batches, `[at most rows, K]`. */
export function sampleRows(batches: readonly Matrix[], most: number): Matrix {
  const tokens = batches.reduce((sum, { rows }) => sum + rows, 0);
  const out = matrix(Math.min(tokens, most), batches[0].columns);
  const { columns } = out;
  let seen = 0;
  for (const { rows, data } of batches) {
    for (const { from, to } of spreadRows(rows, seen, out.rows, tokens))
      out.data.set(data.subarray(from * columns, (from + 1) * columns), to * columns);
    seen += rows;
  }
  return out;
}

/** The rows of a batch that belong to `count` evenly spread ones of all `tokens`; the batch begins at token `seen`. */
function* spreadRows(batchRows: number, seen: number, count: number, tokens: number) {
  for (let to = Math.ceil((seen * count) / tokens); to < count; to++) {
    const from = Math.floor((to * tokens) / count) - seen;
    if (from >= batchRows) return;
    yield { from, to };
  }
}

/** How much a weight is held to what it was, as a share of the mean second moment. */
const ridge = 1e-3;

/**
 * The weights `[N, K]` whose outputs of x̂ are nearest to the outputs of the float model by least squares:
 * `W + W (C − H) (H + λI)⁻¹` with the second moments H of x̂ and the cross moments C.
 */
export async function aimAtFloat(
  { weights, rows, columns }: Pick<StackedLinears, "weights" | "rows" | "columns">,
  { second, cross }: Pick<InputMoments, "second" | "cross">,
  kernels: Kernels,
): Promise<Float32Array> {
  const difference = matrix(columns, columns);
  for (let i = 0; i < second.length; i++) difference.data[i] = cross[i] - second[i];
  const missing = new Float64Array(rows * columns);
  await kernels.addCovariance(transposed({ rows, columns, data: weights }), difference, missing);
  await kernels.solveRight(second, columns, ridge, missing);
  return weights.map((weight, i) => weight + missing[i]);
}
