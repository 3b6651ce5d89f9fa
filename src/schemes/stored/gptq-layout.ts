import type { Tensors } from "../../tensor/tensor.js";
import { codedZeroPoints, type IntOutline, type IntScheme } from "../int.js";
import { scalesToBytes } from "../scale-grid.js";
import { packRows, transposeCodes, transposeFloats, transposeWords, unpackRows, wordsOf } from "./words.js";

/*
 * The tensors of a GPTQ linear (AutoGPTQ, GPTQModel), both ways. With s scales and z zero points
 * `w[n, k] = s[g_idx[k], n] · (q[k, n] − z[g_idx[k], n])`.
 *
 *   qweight  I32 [K · bits / 32, N]   codes: each column a dense stream along K, 3 bits crossing words
 *   qzeros   I32 [K / g, N · bits / 32]   zero points: each row a dense stream along N
 *   scales   F16 [K / g, N]
 *   g_idx    I32 [K]   the group of each input
 *
 * Version 1 (`checkpoint_format: gptq`) stores z − 1, version 2 (`gptq_v2`) stores z.
 */

export type GptqVersion = "gptq" | "gptq_v2";

export const gptqBits: readonly number[] = [2, 3, 4, 8];

/** Dtypes and shapes of a linear's tensors. */
export function gptqShapes({ rows, columns, group, bits }: Omit<IntOutline, "scheme" | "symmetric">) {
  return {
    qweight: { dtype: "I32", shape: [wordsOf(columns, bits), rows] },
    qzeros: { dtype: "I32", shape: [columns / group, wordsOf(rows, bits)] },
    scales: { dtype: "F16", shape: [columns / group, rows] },
    g_idx: { dtype: "I32", shape: [columns] },
  } as const;
}

/**
 * @param weight a scale a row or group, in float16; K a multiple of 32 / bits (of 32 for 3 bits).
 * @throws RangeError for a zero point 0 in version 1, which has no place there.
 */
export function packGptq(weight: IntScheme, version: GptqVersion): Tensors {
  const { rows, columns, group, bits, codes } = weight;
  const groups = columns / group;
  const zeros = codedZeroPoints(weight) ?? new Uint8Array(rows * groups).fill(2 ** (bits - 1));
  if (version === "gptq" && zeros.includes(0))
    throw new RangeError("a zero point is 0, version 1 stores z − 1");
  const storedZeros = version === "gptq" ? zeros.map((zero) => zero - 1) : zeros;
  const shapes = gptqShapes(weight);
  const groupOf = Int32Array.from({ length: columns }, (_, input) => Math.floor(input / group));
  return {
    qweight: {
      ...shapes.qweight,
      bytes: transposeWords(packRows(codes, columns, bits), rows, wordsOf(columns, bits)),
    },
    qzeros: { ...shapes.qzeros, bytes: packRows(transposeCodes(storedZeros, rows, groups), rows, bits) },
    scales: { ...shapes.scales, bytes: scalesToBytes(weight, transposeFloats(weight.scales, rows, groups)) },
    g_idx: { ...shapes.g_idx, bytes: new Uint8Array(groupOf.buffer) },
  };
}

export type GptqShape = Pick<IntOutline, "rows" | "columns" | "group" | "bits">;

/** `[N, K]`. @throws RangeError when the words are not of this shape. */
export function gptqCodes(qweight: Uint8Array, { rows, columns, bits }: GptqShape): Uint8Array {
  return unpackRows(transposeWords(qweight, wordsOf(columns, bits), rows), rows, columns, bits);
}

/**
 * `[N, K / g]`.
 * @throws RangeError when the words are not of this shape, or version 1 stores all ones: that is 2^bits to some
 *   runtimes, 0 to others, and 0 with a carry into the next zero point to others.
 */
export function gptqZeroPoints(qzeros: Uint8Array, shape: GptqShape, version: GptqVersion): Uint8Array {
  const { rows, columns, group, bits } = shape;
  const groups = columns / group;
  const stored = transposeCodes(unpackRows(qzeros, groups, rows, bits), groups, rows);
  if (version === "gptq_v2") return stored;
  const ones = stored.indexOf(2 ** bits - 1);
  if (ones >= 0) {
    throw new RangeError(
      `stores the zero point ${2 ** bits - 1} for output ${Math.floor(ones / groups)}, which runtimes of ` +
        `checkpoint_format gptq read differently (as ${2 ** bits} or as 0); gptq_v2 is read as it is`,
    );
  }
  return stored.map((zero) => zero + 1);
}

/** `[N, K / g]` from the `[K / g, N]` of the file. */
export function gptqScales(scales: Float32Array, { rows, columns, group }: GptqShape): Float32Array {
  return transposeFloats(scales, columns / group, rows);
}
