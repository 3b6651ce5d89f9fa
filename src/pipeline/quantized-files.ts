import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeSafetensors } from "../checkpoint/safetensors.js";
import { openTensors, type TensorSource } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { ActivationScheme, WeightOutline, WeightScheme } from "../schemes/scheme.js";
import { parseOutline, weightFromTensors, weightTensors } from "../schemes/weights.js";
import type { Tensors } from "../tensor/tensor.js";

/* The files under `quantized/`: docs/formats.md describes them. */

const indexFile = "quantization.json";
export const keptFile = "kept.safetensors";

const activation = z.discriminatedUnion("scheme", [
  z.strictObject({ scheme: z.literal("float") }),
  z.strictObject({ scheme: z.literal("int8"), per: z.literal("token") }),
]);

const fileEntry = z.strictObject({ file: z.string(), bytes: z.int(), sha256: z.string() });

const indexSchema = z.strictObject({
  format: z.literal("luthier-quantized"),
  version: z.literal(1),
  /** Configuration, tokenizer and kept tensors. */
  files: z.array(fileEntry),
  linears: z.array(
    fileEntry.extend({
      name: z.string(),
      weight: z.unknown(),
      activation,
      /** `‖W − Ŵ‖ / ‖W‖`. */
      relativeError: z.number(),
    }),
  ),
});

export type FileEntry = z.infer<typeof fileEntry>;

export interface QuantizedEntry extends FileEntry {
  readonly name: string;
  readonly weight: WeightOutline;
  readonly activation: ActivationScheme;
  readonly relativeError: number;
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

/** Where a linear's scheme lies, relative to `quantized/`. */
export function schemeFile(linear: string): string {
  return path.join("linears", `${linear}.safetensors`);
}

export function indexJson(index: QuantizedIndex): object {
  return { format: "luthier-quantized", version: 1, ...index };
}

/** @throws LuthierError when the run has not finished quantizing, or its index is damaged. */
export async function readQuantizedIndex(run: string): Promise<QuantizedIndex> {
  const file = indexPath(run);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const fix =
      "finish it: `luthier quantize` with the same model, recipe and --out goes on where it stopped";
    throw new LuthierError(`${run} has not finished quantizing: ${file} is missing`, fix, { cause });
  }
  try {
    const { files, linears } = indexSchema.parse(JSON.parse(text));
    for (const entry of [...files, ...linears]) insideFolder(entry.file, file);
    return {
      files,
      linears: linears.map((entry) => ({ ...entry, weight: parseOutline(entry.weight, file) })),
    };
  } catch (cause) {
    if (cause instanceof LuthierError) throw cause;
    throw new LuthierError(`${file} is not an index of this version`, "quantize again with --fresh", {
      cause,
    });
  }
}

function insideFolder(file: string, index: string): void {
  if (path.isAbsolute(file) || path.normalize(file).startsWith("..")) {
    throw new LuthierError(
      `${index} names a file outside its folder: ${file}`,
      "do not use this run: it was tampered with",
    );
  }
}

/** Metadata of a scheme's file. `relativeError` is kept there so that a resumed run need not compute it again. */
export interface SchemeFileFacts {
  readonly relativeError: number;
}

export async function writeScheme(file: string, weight: WeightScheme, facts: SchemeFileFacts) {
  const { codes: _codes, scales: _scales, ...outline } = weight;
  const { zeroPoints: _zeroPoints, ...plain } = { zeroPoints: null, ...outline };
  return writeSafetensors(file, named(weightTensors(weight)), {
    format: "luthier-weight",
    version: "1",
    outline: JSON.stringify(plain),
    relativeError: String(facts.relativeError),
  });
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
  const tensors = await readAll(file);
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
