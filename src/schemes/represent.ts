import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { quantizeToken, quantizeTokenToInt16 } from "./activation.js";
import type { ActivationScheme } from "./scheme.js";

/**
 * The input `[tokens, K]` as the scheme can represent it, in float32 again.
 * @param codebooks `[P, centroids, vector]`, of the scheme `centroids`.
 * @throws RangeError when those are missing.
 */
export async function represent(
  input: Matrix,
  activation: ActivationScheme,
  codebooks: Float32Array | null,
  kernels: Kernels,
): Promise<Matrix> {
  if (activation.scheme === "float") return input;
  if (activation.scheme === "centroids") {
    if (codebooks === null) throw new RangeError("centroids without their codebooks");
    const ids = await kernels.nearestCentroids(input, codebooks, activation.vector);
    return centroidsOf(ids, codebooks, input, activation.vector);
  }
  const out = matrix(input.rows, input.columns);
  for (let token = 0; token < input.rows; token++) {
    const first = token * input.columns;
    const x = input.data.subarray(first, first + input.columns);
    const { codes, scale } = activation.scheme === "int8" ? quantizeToken(x) : quantizeTokenToInt16(x);
    for (let i = 0; i < codes.length; i++) out.data[first + i] = codes[i] / scale;
  }
  return out;
}

/**
 * The centroids that ids stand for, `[tokens, K]`.
 * @param ids `[P, tokens]`.
 */
export function centroidsOf(
  ids: Uint8Array,
  codebooks: Float32Array,
  { rows: tokens, columns }: Pick<Matrix, "rows" | "columns">,
  vector: number,
): Matrix {
  const out = matrix(tokens, columns);
  const positions = columns / vector;
  const perPosition = codebooks.length / positions;
  for (let position = 0; position < positions; position++) {
    for (let token = 0; token < tokens; token++) {
      const from = position * perPosition + ids[position * tokens + token] * vector;
      const to = token * columns + position * vector;
      for (let i = 0; i < vector; i++) out.data[to + i] = codebooks[from + i];
    }
  }
  return out;
}
