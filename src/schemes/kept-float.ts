import { z } from "zod";
import { numberToFloat16, roundToFloat16, widen } from "../tensor/float.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { TensorBytes } from "../tensor/tensor.js";

/** A part of a weight that is not quantized. */
export interface KeptOutline {
  readonly scheme: "float";
  readonly rows: number;
  readonly columns: number;
  readonly dtype: KeptDtype;
}

export type KeptDtype = "F16" | "BF16" | "F32";

export interface KeptFloat extends KeptOutline {
  /** `[N, K]`, values of `dtype`. */
  readonly values: Float32Array;
}

/** An outline as a file states it. */
export const keptOutline = z.strictObject({
  scheme: z.literal("float"),
  rows: z.int().positive(),
  columns: z.int().positive(),
  dtype: z.enum(["F16", "BF16", "F32"]),
});

/** The least dtype that holds every value as it is: that of the checkpoint, unless a transform has changed the weights. */
export function losslessDtype(values: Float32Array): KeptDtype {
  if (areBfloat16(values)) return "BF16";
  return values.every((value) => roundToFloat16(value) === value) ? "F16" : "F32";
}

/** A weight `[N, K]` kept as it is. @param dtype one that holds its values: `losslessDtype` of the whole linear. */
export function keepFloat({ rows, columns, data }: Matrix, dtype: KeptDtype): KeptFloat {
  return { scheme: "float", rows, columns, dtype, values: data };
}

export function keptOutlineOf({ rows, columns, dtype }: KeptFloat): KeptOutline {
  return { scheme: "float", rows, columns, dtype };
}

export function keptMatrix({ rows, columns, values }: KeptFloat): Matrix {
  return matrix(rows, columns, values);
}

/** Stored bytes of the values. */
export function keptBytes({ rows, columns, dtype }: KeptOutline): number {
  return rows * columns * (dtype === "F32" ? 4 : 2);
}

/** In a word, for tables: `float16`. */
export function describeKept({ dtype }: KeptOutline): string {
  return { F16: "float16", BF16: "bfloat16", F32: "float32" }[dtype];
}

/** The tensor of a file, `[N, K]`. */
export function keptTensor({ rows, columns, dtype, values }: KeptFloat): TensorBytes {
  return { dtype, shape: [rows, columns], bytes: narrow(dtype, values) };
}

/** @throws RangeError when the bytes are not those of the outline's values. */
export function keptFromBytes(outline: KeptOutline, bytes: Uint8Array): KeptFloat {
  if (bytes.length !== keptBytes(outline))
    throw new RangeError(`${bytes.length} bytes of float weights, expected ${keptBytes(outline)}`);
  const values = new Float32Array(outline.rows * outline.columns);
  widen(outline.dtype, bytes, values);
  return { ...outline, values };
}

/** The bytes of values that already are values of the dtype. */
function narrow(dtype: KeptDtype, values: Float32Array): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.slice().buffer);
  const out = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < out.length; i++)
    out[i] = dtype === "BF16" ? words[i] >>> 16 : numberToFloat16(values[i]);
  return new Uint8Array(out.buffer);
}

/** A bfloat16 is the upper half of a float32. */
function areBfloat16(values: Float32Array): boolean {
  return new Uint32Array(values.buffer, values.byteOffset, values.length).every(
    (word) => (word & 0xffff) === 0,
  );
}
