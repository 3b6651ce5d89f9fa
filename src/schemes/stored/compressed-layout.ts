import type { Tensors } from "../../tensor/tensor.js";
import { codedZeroPoints, type IntOutline, type IntScheme } from "../int.js";
import { scaleDtype, scalesToBytes } from "../scale-grid.js";
import { packRows, transposeCodes, transposeWords, unpackRows, wordsOf } from "./words.js";

/*
 * The tensors of a linear of compressed-tensors, format `pack-quantized`, both ways:
 * `w[n, k] = s · (q − z)` with signed q and z, of which q + 2^(bits−1) and z + 2^(bits−1) are stored.
 *
 *   weight_packed      I32 [N, ⌈K · bits / 32⌉]   each row a dense stream
 *   weight_scale       [N, K / g], [N, 1] or [1]
 *   weight_zero_point  I32 [⌈N · bits / 32⌉, K / g]   each column a dense stream; absent when symmetric
 *   weight_shape       I64 [2]   N, K
 */

type Packed = Omit<IntOutline, "scheme">;

/** Dtypes and shapes of a linear's tensors in `pack-quantized`. */
export function compressedShapes(outline: Packed) {
  const { rows, columns, group, scaleRows, bits, symmetric } = outline;
  const scaleShape = scaleRows === 1 && rows > 1 ? [1] : [rows, columns / group];
  return {
    weight_packed: { dtype: "I32", shape: [rows, wordsOf(columns, bits)] },
    weight_scale: { dtype: scaleDtype(outline), shape: scaleShape },
    ...(!symmetric && {
      weight_zero_point: { dtype: "I32", shape: [wordsOf(rows, bits), columns / group] } as const,
    }),
    weight_shape: { dtype: "I64", shape: [2] },
  } as const;
}

/** @param weight with a scale a row or group, or a symmetric one with one scale. */
export function packCompressed(weight: IntScheme): Tensors {
  const { rows, columns, group, bits, codes } = weight;
  const zeroPoints = codedZeroPoints(weight);
  const groups = columns / group;
  const shapes = compressedShapes(weight);
  const shape = BigInt64Array.of(BigInt(rows), BigInt(columns));
  const zeros = zeroPoints && packRows(transposeCodes(zeroPoints, rows, groups), rows, bits);
  return {
    weight_packed: { ...shapes.weight_packed, bytes: packRows(codes, columns, bits) },
    weight_scale: { ...shapes.weight_scale, bytes: scalesToBytes(weight, weight.scales) },
    ...(zeros &&
      shapes.weight_zero_point && {
        weight_zero_point: {
          ...shapes.weight_zero_point,
          bytes: transposeWords(zeros, groups, wordsOf(rows, bits)),
        },
      }),
    weight_shape: { ...shapes.weight_shape, bytes: new Uint8Array(shape.buffer) },
  };
}

/** `[N, K / g]` from the words of `weight_zero_point`. @throws RangeError when they are not of this shape. */
export function compressedZeroPoints(
  words: Uint8Array,
  rows: number,
  groups: number,
  bits: number,
): Uint8Array {
  const streams = transposeWords(words, wordsOf(rows, bits), groups);
  return transposeCodes(unpackRows(streams, groups, rows, bits), groups, rows);
}
