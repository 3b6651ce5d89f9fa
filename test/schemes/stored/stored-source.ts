import type { TensorSource } from "../../../src/checkpoint/tensor-source.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import type { TensorBytes, Tensors } from "../../../src/tensor/tensor.js";

/** Tensors in memory, those of a linear under its name. */
export function sourceOf(linears: Readonly<Record<string, Tensors>>): TensorSource {
  const all = new Map<string, TensorBytes>(
    Object.entries(linears).flatMap(([linear, tensors]) =>
      Object.entries(tensors).map(([name, tensor]) => [`${linear}.${name}`, tensor] as const),
    ),
  );
  return {
    tensors: new Map(
      [...all].map(([name, { dtype, shape, bytes }]) => [
        name,
        { dtype, shape, file: "memory", begin: 0, bytes: bytes.length },
      ]),
    ),
    read: async (name) => (all.get(name) as TensorBytes).bytes.slice(),
    async close() {},
  };
}

export function floats(values: readonly number[], shape: readonly number[] = [values.length]): TensorBytes {
  return { dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

export function integers(values: readonly number[], shape: readonly number[] = [values.length]): TensorBytes {
  return { dtype: "I32", shape, bytes: new Uint8Array(Int32Array.from(values).buffer) };
}

export function bytes(dtype: Dtype, values: readonly number[], shape: readonly number[]): TensorBytes {
  return { dtype, shape, bytes: Uint8Array.from(values) };
}
