import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { codeOf, codeScale, largestCode, largestMagnitude } from "./activation.js";
import type { ActivationScheme, IntActivation } from "./scheme.js";

/**
 * The input `[tokens, K]` as the scheme can represent it, in float32 again.
 * @param codebooks `[P, centroids, vector]`, of the scheme `centroids`.
 * @throws RangeError when those are missing, the largest input of a scale for everything is, or a group does not divide K.
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
  return representAsInts(input, activation);
}

function representAsInts(input: Matrix, activation: IntActivation): Matrix {
  const out = matrix(input.rows, input.columns);
  const run = typeof activation.per === "number" ? activation.per : input.columns;
  if (input.columns % run !== 0)
    throw new RangeError(`groups of ${run} inputs do not divide ${input.columns}`);
  const largest = largestCode[activation.scheme];
  for (let first = 0; first < input.data.length; first += run) {
    const x = input.data.subarray(first, first + run);
    const scale = codeScale(
      activation.per === "tensor" ? measured(activation) : largestMagnitude(x),
      largest,
    );
    // A measured scale would turn an infinite input into the largest code unseen.
    for (let i = 0; i < run; i++)
      out.data[first + i] = Number.isFinite(x[i]) ? codeOf(x[i], scale, largest) / scale : Number.NaN;
  }
  return out;
}

function measured({ largest }: { readonly largest?: number }): number {
  if (largest === undefined) throw new RangeError("the largest input has not been measured");
  return largest;
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
