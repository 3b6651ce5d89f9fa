import type { ScalableInput } from "../model/architecture.js";
import { float32Tensor, type Tensors } from "../tensor/tensor.js";
import { readFound, writeFound } from "./found-files.js";
import type { FileEntry } from "./record.js";

/* `quantized/channel-scales/<transform>/<linear>.safetensors`: what the channels of an input are scaled by in the run. */

const format = "luthier-channel-scales";

export interface StoredScales {
  readonly scales: Float32Array;
  readonly file: FileEntry;
}

export async function writeScales(
  run: string,
  transform: string,
  input: ScalableInput,
  scales: Float32Array,
): Promise<StoredScales> {
  const tensors = { scales: float32Tensor(scales) };
  return { scales, file: await writeFound(run, scalesFile(transform, input), format, tensors) };
}

/** The scales that an earlier process wrote; null when there are none, or they are damaged or of another input. */
export async function readScales(
  run: string,
  transform: string,
  input: ScalableInput,
): Promise<StoredScales | null> {
  const file = scalesFile(transform, input);
  const stored = await readFound(run, file, format, (tensors) => scalesOf(tensors.scales, input));
  return stored && { scales: stored.found, file: stored.file };
}

/** Relative to `quantized/`. */
function scalesFile(transform: string, { linears }: ScalableInput): string {
  return `channel-scales/${transform}/${linears[0].name}.safetensors`;
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
