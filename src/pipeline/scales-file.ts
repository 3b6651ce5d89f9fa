import { mkdir } from "node:fs/promises";
import path from "node:path";
import { hashFile } from "../checkpoint/file-hash.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import { LuthierError } from "../error.js";
import type { ScalableInput } from "../model/architecture.js";
import type { Tensors } from "../tensor/tensor.js";
import { dataSha256, named, quantizedFolder, readAll } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

/* `quantized/channel-scales/<transform>/<linear>.safetensors`: what the channels of an input are scaled by in the run. */

export interface StoredScales {
  readonly scales: Float32Array;
  readonly file: FileEntry;
}

export async function writeScales(
  run: string,
  transform: string,
  { linears }: ScalableInput,
  scales: Float32Array,
): Promise<StoredScales> {
  const file = scalesFile(transform, linears[0].name);
  const full = path.join(quantizedFolder(run), file);
  const bytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  const tensors: Tensors = { scales: { dtype: "F32", shape: [scales.length], bytes } };
  await mkdir(path.dirname(full), { recursive: true });
  const written = await writeSafetensors(full, named(tensors), {
    format: "luthier-channel-scales",
    version: "1",
    dataSha256: dataSha256(tensors),
  });
  return { scales, file: { file, ...written } };
}

/** The scales that an earlier process wrote; null when there are none, or they are damaged or of another input. */
export async function readScales(
  run: string,
  transform: string,
  input: ScalableInput,
): Promise<StoredScales | null> {
  const file = scalesFile(transform, input.linears[0].name);
  const full = path.join(quantizedFolder(run), file);
  try {
    const { metadata } = await readHeader(full);
    if (metadata.format !== "luthier-channel-scales" || metadata.version !== "1") return null;
    const tensors = await readAll(full);
    if (metadata.dataSha256 !== dataSha256(tensors)) return null;
    const scales = scalesOf(tensors.scales, input);
    return scales && { scales, file: { file, ...(await hashFile(full)) } };
  } catch (error) {
    if (error instanceof LuthierError) return null;
    throw error;
  }
}

/** Relative to `quantized/`. */
function scalesFile(transform: string, linear: string): string {
  return `channel-scales/${transform}/${linear}.safetensors`;
}

/** Positive and finite, and the same wherever a channel is read; null when a tensor does not hold such scales. */
function scalesOf(
  tensor: Tensors[string] | undefined,
  { linears, runs }: ScalableInput,
): Float32Array | null {
  const { columns } = linears[0];
  if (tensor?.dtype !== "F32" || tensor.shape.length !== 1 || tensor.shape[0] !== columns) return null;
  const scales = new Float32Array(tensor.bytes.slice().buffer);
  if (!scales.every((scale) => scale > 0 && Number.isFinite(scale))) return null;
  for (const { size, firsts } of runs) {
    for (const first of firsts)
      for (let i = 0; i < size; i++) if (scales[first + i] !== scales[firsts[0] + i]) return null;
  }
  return scales;
}
