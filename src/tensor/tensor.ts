import type { Dtype } from "./dtype.js";

/** A tensor as the bytes that a file holds: little-endian, row-major. */
export interface TensorBytes {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Tensors by name. */
export type Tensors = Readonly<Record<string, TensorBytes>>;

/** The bytes of an array, in place. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A float32 tensor of values, in place; a vector unless the shape says otherwise. */
export function float32Tensor(values: Float32Array, shape: readonly number[] = [values.length]): TensorBytes {
  return { dtype: "F32", shape, bytes: bytesOf(values) };
}
