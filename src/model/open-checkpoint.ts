import type { TensorInfo } from "../checkpoint/safetensors.js";
import { rangeOf } from "../checkpoint/tensors.js";
import { type DequantizedCheckpoint, openDequantized } from "../schemes/stored/dequantized.js";
import { dtypeBytes } from "../tensor/dtype.js";
import type { StoredAs } from "./architecture.js";
import { findArchitecture } from "./architectures/registry.js";

/**
 * Opens a model's checkpoint with its tensors as the family speaks of them: by its names, weights `[N, K]`.
 *
 * @throws LuthierError as `openDequantized`, and for a family that is not known.
 */
export async function openModelCheckpoint(directory: string): Promise<DequantizedCheckpoint> {
  const checkpoint = await openDequantized(directory);
  try {
    const { stored } = findArchitecture(checkpoint.config);
    const renamed = stored?.(new Set(checkpoint.tensors.keys())) ?? new Map();
    return renamed.size === 0 ? checkpoint : { ...checkpoint, ...familyTensors(checkpoint, renamed) };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Of a transposed weight that was read last all bytes stay in memory. */
function familyTensors(
  checkpoint: DequantizedCheckpoint,
  stored: ReadonlyMap<string, StoredAs>,
): Pick<DequantizedCheckpoint, "tensors" | "read"> {
  const hidden = new Set([...stored.values()].map(({ name }) => name));
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => !hidden.has(name)));
  for (const [name, { name: from, isTransposed }] of stored) {
    const info = checkpoint.tensors.get(from)!;
    tensors.set(name, isTransposed ? { ...info, shape: [...info.shape].reverse() } : info);
  }
  let last: { readonly name: string; readonly bytes: Promise<Uint8Array> } | null = null;
  return {
    tensors,
    async read(name, rows) {
      const { name: from = name, isTransposed = false } = stored.get(name) ?? {};
      if (!isTransposed) return checkpoint.read(from, rows);
      const info = tensors.get(name)!;
      const { first, last: end } = rangeOf(info, name, rows);
      if (last?.name !== name)
        last = { name, bytes: checkpoint.read(from).then((all) => transposed(all, info)) };
      const rowBytes = info.shape[1] * dtypeBytes[info.dtype];
      return (await last.bytes).slice(first * rowBytes, end * rowBytes);
    },
  };
}

/** @param stored `[K, N]`. @returns `[N, K]`, the shape of `info`. */
function transposed(stored: Uint8Array, { shape: [rows, columns], dtype }: TensorInfo): Uint8Array {
  const size = dtypeBytes[dtype];
  const out = new Uint8Array(stored.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [from, to] = [(column * rows + row) * size, (row * columns + column) * size];
      for (let byte = 0; byte < size; byte++) out[to + byte] = stored[from + byte];
    }
  }
  return out;
}
