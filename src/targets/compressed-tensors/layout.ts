import type { IntOutline } from "../../schemes/int.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import { compressedShapes, compressedZeroPoints } from "../../schemes/stored/compressed-layout.js";
import { unpackRows } from "../../schemes/stored/words.js";
import { widen } from "../../tensor/float.js";
import type { TensorBytes, Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import { asIntOutline, planeOf } from "../ternary-codes.js";

/* The bytes are those of src/schemes/stored/compressed-layout.ts, which reads checkpoints too; README.md draws them. */

type Shape = Pick<TensorBytes, "dtype" | "shape">;

/** In the order in which they are written: larger dtypes first. */
export function shapes(weight: IntOutline): Readonly<Record<string, Shape>> {
  const { weight_shape, weight_packed, weight_zero_point, weight_scale } = compressedShapes(weight);
  return { weight_shape, weight_packed, ...(weight_zero_point && { weight_zero_point }), weight_scale };
}

/** @throws LuthierError when the tensors do not fit the outline or hold what no weight is packed into. */
export function unpackLinear(tensors: Tensors, outline: GridOutline): GridScheme {
  const int = asIntOutline(outline);
  if (int === null) throw damagedPack("its weight is no single plane of trits");
  const { rows, columns, group, bits } = int;
  const expected = shapes(int);
  const bytesOf = (name: string) => tensorOf(tensors, name, expected[name].dtype, expected[name].shape).bytes;
  const shape = bytesOf("weight_shape");
  const view = new DataView(shape.buffer, shape.byteOffset, shape.length);
  if (view.getBigInt64(0, true) !== BigInt(rows) || view.getBigInt64(8, true) !== BigInt(columns)) {
    throw damagedPack(`its tensor weight_shape is not [${rows}, ${columns}]`);
  }
  const groups = columns / group;
  const scales = new Float32Array(rows * groups);
  widen("F16", bytesOf("weight_scale"), scales);
  if (!scales.every(Number.isFinite)) throw damagedPack("its tensor weight_scale holds NaN or infinity");
  const codes = unpackRows(bytesOf("weight_packed"), rows, columns, bits);
  const zeroPoints = int.symmetric
    ? null
    : compressedZeroPoints(bytesOf("weight_zero_point"), rows, groups, bits);
  const scheme = { ...int, codes, scales, zeroPoints };
  if (outline.scheme === "int") return scheme;
  try {
    return planeOf(outline, scheme);
  } catch (error) {
    if (error instanceof RangeError) throw damagedPack(error.message);
    throw error;
  }
}
