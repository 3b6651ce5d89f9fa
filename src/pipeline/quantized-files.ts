import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { WrittenFile } from "../checkpoint/atomic.js";
import { parseJson } from "../checkpoint/json-file.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import { openTensors, readVector } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo } from "../model/architecture.js";
import { activationScheme } from "../schemes/activation.js";
import { rotation, rotationFault } from "../schemes/rotation.js";
import type { LinearOutline, WeightOutline, WeightScheme } from "../schemes/scheme.js";
import { outlineOf, parseOutline, weightFromTensors, weightTensors } from "../schemes/weights.js";
import { float32Tensor, type Tensors } from "../tensor/tensor.js";
import { expectInside, type FileEntry, fileEntry, readRecord } from "./record.js";

/* The files under `quantized/`: docs/formats.md describes them. */

const indexFile = "quantization.json";
export const keptFile = "kept.safetensors";

const indexSchema = z.strictObject({
  format: z.literal("luthier-quantized"),
  version: z.literal(1),
  /** Configuration, tokenizer and kept tensors. */
  files: z.array(fileEntry),
  linears: z.array(
    fileEntry.extend({
      name: z.string(),
      weight: z.unknown(),
      activation: activationScheme,
      rotation: rotation.optional(),
      /** `‖W − Ŵ‖ / ‖W‖`. */
      relativeError: z.number(),
      bias: z.literal(true).optional(),
      tokens: z.int().min(0).optional(),
    }),
  ),
});

export interface QuantizedEntry extends FileEntry, LinearOutline {
  readonly name: string;
  readonly relativeError: number;
  /** Present where its file has a bias, in place of the checkpoint's. */
  readonly bias?: true;
  /** Of an expert's, where something of it was fitted to calibration text: tokens of it that reached the expert. */
  readonly tokens?: number;
}

export interface QuantizedIndex {
  readonly files: readonly FileEntry[];
  readonly linears: readonly QuantizedEntry[];
}

export function quantizedFolder(run: string): string {
  return path.join(run, "quantized");
}

export function indexPath(run: string): string {
  return path.join(quantizedFolder(run), indexFile);
}

/** What was quantized of a checkpoint that was changed in a way that is lost is of no use. */
export async function deleteSchemes(run: string): Promise<void> {
  await rm(path.join(quantizedFolder(run), "linears"), { recursive: true, force: true });
}

/** Where a linear's scheme lies, relative to `quantized/`. */
export function schemeFile(linear: string): string {
  return `linears/${linear}.safetensors`;
}

export function indexJson(index: QuantizedIndex): object {
  return { format: "luthier-quantized", version: 1, ...index };
}

/** @throws LuthierError when the run has not finished quantizing, or its index is damaged. */
export async function readQuantizedIndex(run: string): Promise<QuantizedIndex> {
  const file = indexPath(run);
  const index = await readRecord(file, indexSchema, "quantize again with --fresh");
  if (index === null) {
    throw new LuthierError(
      `${run} has not finished quantizing: ${file} is missing`,
      "finish it: `luthier quantize` with the same model, recipe and --out goes on where it stopped",
    );
  }
  const { files, linears } = index;
  await expectInside([...files, ...linears], file);
  return {
    files,
    linears: linears.map((entry) => {
      const weight = parseOutline(entry.weight, file);
      const fault = entry.rotation && rotationFault(entry.rotation, weight.columns);
      if (!fault) return { ...entry, weight };
      throw new LuthierError(
        `${file}: the rotation of ${entry.name}: ${fault}`,
        "quantize again with --fresh",
      );
    }),
  };
}

/**
 * Writes one linear's scheme. The relative error is kept in the file, so that a resumed run need not compute it again.
 * @param bias `[N]`, in place of the checkpoint's.
 */
export async function writeScheme(
  file: string,
  weight: WeightScheme,
  relativeError: number,
  bias: Float32Array | null = null,
): Promise<WrittenFile> {
  const tensors = { ...weightTensors(weight), ...(bias && { bias: float32Tensor(bias) }) };
  return writeSafetensors(file, named(tensors), {
    format: "luthier-weight",
    version: "1",
    outline: JSON.stringify(outlineOf(weight)),
    relativeError: String(relativeError),
    dataSha256: dataSha256(tensors),
  });
}

/** A linear's own bias, `[N]`. @throws LuthierError when its file has none of this length, or it is not finite. */
export async function readBias(file: string, rows: number): Promise<Float32Array> {
  const tensor = (await readAll(file)).bias;
  const bias = tensor?.dtype === "F32" && new Float32Array(tensor.bytes.slice().buffer);
  if (bias && bias.length === rows && bias.every(Number.isFinite)) return bias;
  throw new LuthierError(`${file} has no bias of ${rows} finite numbers`, "delete it and run again");
}

/** sha256 of the tensors' bytes, in the order of their names: a resumed run tells by it that a file is as it was written. */
export function dataSha256(tensors: Tensors): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(tensors).sort()) hash.update(tensors[name].bytes);
  return hash.digest("hex");
}

/** What a scheme's file says of itself. @throws LuthierError when it is none, or its data is not what was written. */
export async function readSchemeFacts(
  file: string,
): Promise<{ outline: WeightOutline; relativeError: number; hasBias: boolean }> {
  const { outline, relativeError, tensors } = await readStated(file);
  return { outline, relativeError, hasBias: "bias" in tensors };
}

/** Reads a scheme by the outline that its own file states. @throws LuthierError as `readSchemeFacts`. */
export async function readStatedScheme(file: string): Promise<WeightScheme> {
  const { outline, tensors } = await readStated(file);
  return schemeOf(outline, tensors, file);
}

async function readStated(file: string) {
  const { metadata } = await readHeader(file);
  const relativeError = Number(metadata.relativeError);
  if (metadata.format !== "luthier-weight" || metadata.version !== "1" || !Number.isFinite(relativeError)) {
    throw new LuthierError(
      `${file} is not a quantized linear of this version`,
      "quantize again with --fresh",
    );
  }
  const tensors = await readAll(file);
  if (metadata.dataSha256 !== dataSha256(tensors)) {
    throw new LuthierError(`${file}: its data is not what was written`, "delete it and run again");
  }
  const outline = parseOutline(outlineJson(metadata.outline, file), file);
  return { outline, relativeError, tensors };
}

function outlineJson(text: string | undefined, file: string): unknown {
  try {
    return parseJson(text ?? "");
  } catch (cause) {
    throw new LuthierError(`${file} holds JSON that does not parse`, "write it again", { cause });
  }
}

/** The tensors of a record as a writer takes them. */
export function named(tensors: Tensors) {
  return Object.entries(tensors).map(([name, tensor]) => ({ name, ...tensor }));
}

/**
 * Reads one linear's scheme back.
 * @throws LuthierError when the file is not a scheme with this outline.
 */
export async function readScheme(file: string, outline: WeightOutline): Promise<WeightScheme> {
  return schemeOf(outline, await readAll(file), file);
}

function schemeOf(outline: WeightOutline, tensors: Tensors, file: string): WeightScheme {
  const bytesOf = (name: string) => {
    const tensor = tensors[name];
    if (tensor === undefined) throw new RangeError(`tensor ${name} is missing`);
    return tensor.bytes;
  };
  return weightFromTensors(outline, bytesOf, file);
}

/** All tensors of one file, in memory. */
export async function readAll(file: string): Promise<Tensors> {
  const source = await openTensors([file]);
  try {
    const entries = [...source.tensors].map(async ([name, { dtype, shape }]) => {
      return [name, { dtype, shape, bytes: await source.read(name) }] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  } finally {
    await source.close();
  }
}

/** The tensors that were kept float, by their names in the checkpoint. */
export function openKept(run: string): Promise<TensorSource> {
  return openTensors([path.join(quantizedFolder(run), keptFile)]);
}

/** A linear's own bias in a run, or the checkpoint's. */
export async function biasOf(
  linear: LinearInfo,
  source: TensorSource,
  kernels: Kernels,
  run: string | undefined,
  quantized: ReadonlyMap<string, QuantizedEntry>,
): Promise<Float32Array | null> {
  const entry = quantized.get(linear.name);
  if (run !== undefined && entry?.bias)
    return readBias(path.join(quantizedFolder(run), entry.file), entry.weight.rows);
  return linear.bias === null ? null : readVector(source, linear.bias, kernels);
}
