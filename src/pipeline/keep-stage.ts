import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeAtomically } from "../checkpoint/atomic.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { configFile } from "../checkpoint/checkpoint-files.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { type NamedTensor, writeSafetensors } from "../checkpoint/safetensors.js";
import { rangeOf } from "../checkpoint/tensors.js";
import type { ModelDescription } from "../model/architecture.js";
import type { PlannedLinear } from "./plan.js";
import { keptFile, quantizedFolder } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

/** Bytes of a kept tensor that are in memory at a time. */
const pieceBytes = 2 ** 24;

/**
 * Copies what stays as it is: configuration, tokenizer, and every float tensor that computing needs (embedding, norms,
 * biases, kept linears), in the checkpoint's own dtypes.
 */
export async function keepFloat(
  run: string,
  checkpoint: Checkpoint,
  description: ModelDescription,
  planned: readonly PlannedLinear[],
): Promise<readonly FileEntry[]> {
  const folder = quantizedFolder(run);
  await mkdir(folder, { recursive: true });
  const entries: FileEntry[] = [];
  const companions = checkpoint.files.filter((file) => !/\.safetensors(\.index\.json)?$/.test(file));
  for (const file of companions) {
    const name = path.basename(file);
    if (name === configFile) await keepConfig(file, checkpoint, path.join(folder, name));
    else await copyFile(file, path.join(folder, name));
    entries.push({ file: name, ...(await hashFile(path.join(folder, name))) });
  }
  const kept = planned.filter(({ quantize }) => quantize === null).map(({ linear }) => linear.tensor);
  const names = [...new Set([...description.floatTensors, ...kept])].flatMap((name) =>
    withScales(name, checkpoint),
  );
  const tensors = names.map((name) => streamed(checkpoint, name));
  const written = await writeSafetensors(path.join(folder, keptFile), tensors, { format: "luthier-kept" });
  return [...entries, { file: keptFile, ...written }];
}

/** The file as it is, or what a transform has made of it. */
async function keepConfig(file: string, { config }: Checkpoint, to: string): Promise<void> {
  if (isDeepStrictEqual(await readJsonObject(file), config)) return copyFile(file, to);
  await writeAtomically(to, [Buffer.from(`${JSON.stringify(config, null, 2)}\n`)]);
}

/** A tensor and, of an FP8 weight, the scales that belong to it. */
function withScales(name: string, checkpoint: Checkpoint): readonly string[] {
  const companions = [`${name}_scale_inv`, `${name}_scale`].filter((companion) =>
    checkpoint.tensors.has(companion),
  );
  return [name, ...companions];
}

function streamed(checkpoint: Checkpoint, name: string): NamedTensor {
  const info = checkpoint.tensors.get(name);
  if (info === undefined) throw new RangeError(`no tensor ${name}`);
  return { name, dtype: info.dtype, shape: info.shape, bytes: pieces(checkpoint, name) };
}

async function* pieces(checkpoint: Checkpoint, name: string): AsyncIterable<Uint8Array> {
  const info = checkpoint.tensors.get(name);
  if (info === undefined || info.shape.length === 0) return yield await checkpoint.read(name);
  const { last } = rangeOf(info, name);
  const step = Math.max(1, Math.floor((pieceBytes * last) / Math.max(1, info.bytes)));
  for (let first = 0; first < last; first += step) {
    yield await checkpoint.read(name, { first, last: Math.min(first + step, last) });
  }
}
