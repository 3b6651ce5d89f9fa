import type { Dtype } from "./dtype.js";

/** A tensor as the bytes that a file holds: little-endian, row-major. */
export interface TensorBytes {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Tensors by name. */
export type Tensors = Readonly<Record<string, TensorBytes>>;
