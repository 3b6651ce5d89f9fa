import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { makeFolder, type WrittenFile, writeAtomically } from "../checkpoint/atomic.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { configFile } from "../checkpoint/checkpoint-files.js";
import { piecesOf } from "../checkpoint/file-hash.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { type NamedTensor, writeSafetensors } from "../checkpoint/safetensors.js";
import { rangeOf } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { ModelDescription } from "../model/architecture.js";
import type { InputFile } from "./input-files.js";
import type { PlannedLinear } from "./plan.js";
import { keptFile, quantizedFolder } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

/** Bytes of a kept tensor that are in memory at a time. */
const pieceBytes = 2 ** 24;

/**
 * Copies what stays as it is: configuration, tokenizer, and every float tensor that computing needs (embedding, norms,
 * biases, kept linears), in the checkpoint's own dtypes.
 *
 * @param inputs the checkpoint's files as they were hashed.
 * @throws LuthierError when one is another now.
 */
export async function keepFloat(
  run: string,
  checkpoint: Checkpoint,
  description: ModelDescription,
  planned: readonly PlannedLinear[],
  inputs: readonly InputFile[],
): Promise<readonly FileEntry[]> {
  const folder = quantizedFolder(run);
  await makeFolder(folder);
  const entries: FileEntry[] = [];
  const companions = checkpoint.files.filter((file) => !/\.safetensors(\.index\.json)?$/.test(file));
  for (const file of companions) {
    const name = path.basename(file);
    const written = await keepCompanion(file, checkpoint, inputs, path.join(folder, name));
    entries.push({ file: name, ...written });
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
async function keepCompanion(
  file: string,
  { config }: Checkpoint,
  inputs: readonly InputFile[],
  to: string,
): Promise<WrittenFile> {
  const name = path.basename(file);
  if (name === configFile && !isDeepStrictEqual(await readJsonObject(file), config))
    return writeAtomically(to, [Buffer.from(`${JSON.stringify(config, null, 2)}\n`)]);
  const written = await writeAtomically(to, piecesOf(file));
  if (inputs.find((input) => input.name === name)?.sha256 === written.sha256) return written;
  throw new LuthierError(
    `${file} was changed after the run began`,
    "wait until nobody writes the checkpoint any more, then run again",
  );
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
