import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { codeOf, codeScale, largestCode, largestMagnitude } from "./activation.js";
import { cut, cutOf, putBack } from "./parts.js";
import type { ActivationScheme, DynamicActivation, IntActivation, WeightScheme } from "./scheme.js";

/** What a weight keeps of how its input is represented: codebooks of centroids `[P, centroids, vector]`, or columns. */
export type KeptOfInput = Float32Array | readonly InputPart[];

interface InputPart {
  /** Channels of the input. */
  readonly columns: Uint32Array;
  readonly activation: DynamicActivation;
}

/** What a weight keeps for `represent`; null when its input's scheme says all there is. */
export function keptOfInput(weight: WeightScheme): KeptOfInput | null {
  if (weight.scheme === "vectors") return weight.inputCodebooks;
  if (weight.scheme !== "parts" || weight.by === "rows") return null;
  return Array.from(cutOf(weight), ([{ activation }, columns]) => {
    if (activation === undefined) throw new RangeError("a part by columns without its inputs");
    return { columns, activation };
  });
}

/**
 * The input `[tokens, K]` as the scheme can represent it, in float32 again.
 * @param kept of the linear's weight, for the schemes `centroids` and `parts`.
 * @throws RangeError when that is missing, the largest input of a scale for everything is, or a group does not divide K.
 */
export async function represent(
  input: Matrix,
  activation: ActivationScheme,
  kept: KeptOfInput | null,
  kernels: Kernels,
): Promise<Matrix> {
  if (activation.scheme === "float") return input;
  if (activation.scheme === "centroids") {
    if (!(kept instanceof Float32Array)) throw new RangeError("centroids without their codebooks");
    const ids = await kernels.nearestCentroids(input, kept, activation.vector);
    return centroidsOf(ids, kept, input, activation.vector);
  }
  if (activation.scheme === "parts") {
    if (kept === null || kept instanceof Float32Array) throw new RangeError("parts without their columns");
    return representParts(input, kept);
  }
  return representAsInts(input, activation);
}

function representParts(input: Matrix, parts: readonly InputPart[]): Matrix {
  const out = matrix(input.rows, input.columns);
  for (const { columns, activation } of parts) {
    const part = cut(input, "columns", columns);
    const represented = activation.scheme === "float" ? part : representAsInts(part, activation);
    putBack(represented, "columns", columns, out);
  }
  return out;
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
