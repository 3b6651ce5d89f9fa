import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { readText, type TextSource } from "../calibration/datasets.js";
import { writeAtomically } from "../checkpoint/atomic.js";
import { fileError, isMissing } from "../checkpoint/file-error.js";
import { openTokenizer } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { matches } from "../recipe/match.js";
import { dequantize } from "../schemes/weights.js";
import { findTarget } from "../targets/registry.js";
import type { Signal, VectorCase } from "../targets/signal.js";
import { encodeSignal, type SignalEncoding } from "../targets/signal-files.js";
import type { PackedLinear, Target } from "../targets/target.js";
import { type Dtype, dtypeBytes } from "../tensor/dtype.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { openModelAt } from "./open-model.js";
import { openPack, type PackEntry, packFolder, readManifest } from "./pack-files.js";
import type { OnProgress } from "./progress.js";
import { type FileEntry, readRecord, writeRecord } from "./record.js";
import { vectorCases } from "./vector-cases.js";
import { vectorsReadme } from "./vectors-readme.js";

export interface VectorsOptions {
  readonly run: string;
  readonly target: string;
  /** Where the vectors go; made anew. */
  readonly out: string;
  /** Patterns of linears, as in a recipe. */
  readonly linears: readonly string[];
  readonly encodings: readonly SignalEncoding[];
  /** Read by the model, so that linears are driven with real activations too. */
  readonly text: TextSource;
  /** Real activations a linear. */
  readonly activations: number;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly onProgress?: OnProgress;
}

/** What the manifest says. */
export interface Vectors {
  readonly target: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly source: { readonly recipe: string; readonly inputs: Readonly<Record<string, string>> };
  readonly seed: number;
  readonly text: { readonly name: string; readonly sha256: string };
  readonly encodings: readonly SignalEncoding[];
  readonly linears: readonly LinearVectors[];
}

export interface LinearVectors {
  readonly name: string;
  readonly weight: PackedLinear["weight"];
  readonly layout: PackedLinear["layout"];
  /** The packed tensors as the hardware reads them. */
  readonly memories: readonly SignalFiles[];
  readonly cases: readonly CaseVectors[];
}

export interface CaseVectors {
  readonly name: string;
  readonly what: string;
  readonly signals: readonly SignalFiles[];
}

export type SignalFiles = Omit<Signal, "values"> & { readonly files: readonly FileEntry[] };

/** The widest memory word: a burst of 64 bytes. */
const mostWordBytes = 64;

/** Tokens of the text that the model reads to get activations. */
const contextTokens = 64;

/**
 * Writes test vectors for the hardware's test bench: of each linear its packed memories and, for corner cases and real
 * activations, every signal of the product from input to output. The same run, text and seed give the same bytes.
 *
 * @throws LuthierError when the target has no signals of its own, no linear matches, or the engine's output is not the
 *   traced one.
 */
export async function writeVectors(options: VectorsOptions): Promise<Vectors> {
  const { run, out, seed, encodings, kernels, onProgress = () => {} } = options;
  const target = findTarget(options.target);
  const folder = packFolder(run, target.name);
  const manifest = await readManifest(folder);
  const chosen = chooseLinears(target, manifest.linears, options.linears);
  const { activations, text } = await recordActivations(options, chosen);
  await clearEarlier(out);
  const pack = await openPack(folder, target);
  const linears: LinearVectors[] = [];
  try {
    for (const [done, entry] of chosen.entries()) {
      onProgress({ stage: "vectors", done, total: chosen.length, what: entry.name });
      const packed = await pack.read(entry);
      const weight = dequantize(target.unpack(packed));
      const cases = vectorCases(
        weight,
        activations.get(entry.name) as Matrix,
        seed,
        target.corners?.(packed),
      );
      linears.push(await writeLinear(out, target, packed, entry.name, cases, encodings, kernels));
    }
  } finally {
    await pack.close();
  }
  const { parameters, source } = manifest;
  const vectors: Vectors = { target: target.name, parameters, source, seed, text, encodings, linears };
  await writeAtomically(path.join(out, "README.md"), [Buffer.from(vectorsReadme(vectors))]);
  await writeRecord(path.join(out, "manifest.json"), { format: "luthier-vectors", version: 1, ...vectors });
  onProgress({ stage: "vectors", done: chosen.length, total: chosen.length, what: "" });
  return vectors;
}

function chooseLinears(
  target: Target,
  linears: readonly PackEntry[],
  patterns: readonly string[],
): readonly PackEntry[] {
  if (target.trace === undefined) {
    throw new LuthierError(
      `${target.name} is a format for other runtimes: no hardware computes it step by step`,
      "choose a target with an arithmetic of its own; `luthier targets` lists them",
      { usage: true },
    );
  }
  const chosen = linears.filter(({ name }) => patterns.some((pattern) => matches(pattern, name)));
  if (chosen.length > 0) return chosen;
  throw new LuthierError(
    `the pack has no linear like ${patterns.join(", ")}`,
    `its linears are called like ${linears[0]?.name}; * stands for any run of characters`,
    { usage: true },
  );
}

/** @throws LuthierError when the folder holds something else than earlier vectors. */
async function clearEarlier(out: string): Promise<void> {
  const names = await readdir(out).catch((error) => {
    if (isMissing(error)) return [];
    throw fileError("read", out, error);
  });
  if (names.length === 0) return;
  const earlier = await readRecord(
    path.join(out, "manifest.json"),
    z.looseObject({ format: vectorsFormat }),
    anotherFolder,
  );
  if (earlier === null) throw new LuthierError(`${out} holds other files`, anotherFolder, { usage: true });
  await rm(out, { recursive: true });
}

const vectorsFormat = z.literal("luthier-vectors");
const anotherFolder = "give an empty or new folder with --out";

/** Inputs `[activations, K]` of each linear while the model, on the engine, reads the beginning of a text. */
async function recordActivations(
  { run, target, text: source, activations: count, kernels }: VectorsOptions,
  linears: readonly PackEntry[],
): Promise<{ activations: ReadonlyMap<string, Matrix>; text: Vectors["text"] }> {
  const wanted = new Set(linears.map(({ name }) => name));
  const activations = new Map<string, Matrix>();
  const { text, name, sha256 } = await readText(source);
  const observe = (names: readonly string[], input: Matrix) => {
    const here = names.filter((name) => wanted.has(name));
    if (here.length === 0) return;
    if (input.rows < count) throw tooFewTokens(here, input.rows, count);
    const some = spread(input, count);
    for (const linear of here) activations.set(linear, some);
  };
  const { model, directory, close } = await openModelAt({
    path: run,
    engine: "lut",
    target,
    kernels,
    observe,
  });
  try {
    const tokens = (await openTokenizer(directory)).encode(text).subarray(0, contextTokens);
    if (tokens.length < Math.max(2, count)) {
      throw new LuthierError(`${name} has ${tokens.length} tokens, too few`, "give a longer text", {
        usage: true,
      });
    }
    await model.logits(tokens);
  } finally {
    await close();
  }
  return { activations, text: { name, sha256 } };
}

/** Only some tokens reach an expert. */
function tooFewTokens(linears: readonly string[], tokens: number, count: number): LuthierError {
  return new LuthierError(
    `${tokens} tokens of the text reach ${linears.join(", ")}; ${count} are asked for`,
    "give another text, ask for fewer activations, or choose other linears",
    { usage: true },
  );
}

/** `count` rows, evenly spread, the last one among them. */
function spread({ rows, columns, data }: Matrix, count: number): Matrix {
  const out = matrix(count, columns);
  for (let i = 0; i < count; i++) {
    const row = Math.floor(((i + 1) * rows) / count) - 1;
    out.data.set(data.subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return out;
}

async function writeLinear(
  out: string,
  target: Target,
  packed: PackedLinear,
  name: string,
  cases: readonly VectorCase[],
  encodings: readonly SignalEncoding[],
  kernels: Kernels,
): Promise<LinearVectors> {
  const write = (folder: string, signal: Signal) =>
    writeSignal(out, path.posix.join(name, folder), signal, encodings);
  const memories: SignalFiles[] = [];
  for (const memory of memoriesOf(packed)) memories.push(await write("memories", memory));
  const written: CaseVectors[] = [];
  for (const { name: caseName, what, token } of cases) {
    const signals = target.trace?.(packed, token) ?? [];
    await expectEngineOutput(target, packed, token, signals, `${name}, ${caseName}`, kernels);
    const files: SignalFiles[] = [];
    for (const signal of signals) files.push(await write(caseName, signal));
    written.push({ name: caseName, what, signals: files });
  }
  return { name, weight: packed.weight, layout: packed.layout, memories, cases: written };
}

/** The packed tensors as signals, byte by byte or, of float tensors, value by value. */
function memoriesOf({ tensors }: PackedLinear): readonly Signal[] {
  return Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const copy = bytes.slice().buffer;
    const bits = (8 * dtypeBytes[dtype]) as 8 | 16 | 32;
    const values =
      bits === 8 ? new Uint8Array(copy) : bits === 16 ? new Uint16Array(copy) : new Uint32Array(copy);
    return {
      name,
      what: `the pack's tensor ${name}, ${dtype}${dtype.startsWith("F") ? ", IEEE bits" : ""}`,
      format: { kind: "unsigned", bits },
      shape,
      perWord: wordOf(dtype, shape),
      values,
    };
  });
}

/** Rows of a few bytes are words of a memory; longer ones are walked byte by byte. */
function wordOf(dtype: Dtype, shape: readonly number[]): number {
  const row = shape.at(-1) ?? 1;
  return dtype === "U8" && row <= mostWordBytes ? row : 1;
}

/** What is traced must be what is scored. */
async function expectEngineOutput(
  target: Target,
  packed: PackedLinear,
  token: Float32Array,
  signals: readonly Signal[],
  where: string,
  kernels: Kernels,
): Promise<void> {
  const arithmetic = target.open(packed, kernels);
  const output = signals.at(-1);
  if (!("multiply" in arithmetic) || output === undefined)
    throw new RangeError(`${target.name} has no arithmetic`);
  const { data } = await arithmetic.multiply(matrix(1, token.length, token));
  const differing = data.findIndex((value, n) => !Object.is(value, output.values[n]));
  if (differing < 0) return;
  throw new LuthierError(
    `${where}: the ${kernels.path} engine gives output ${differing} as ${data[differing]}, the reference ${output.values[differing]}`,
    "this is a fault of Luthier: please report it with the run",
  );
}

async function writeSignal(
  out: string,
  folder: string,
  signal: Signal,
  encodings: readonly SignalEncoding[],
): Promise<SignalFiles> {
  await mkdir(path.join(out, folder), { recursive: true });
  const files: FileEntry[] = [];
  for (const encoding of encodings) {
    const file = path.posix.join(folder, `${signal.name}.${encoding}`);
    const symbol = `${signal.name}`.replaceAll(/\W/g, "_");
    files.push({
      file,
      ...(await writeAtomically(path.join(out, file), [encodeSignal(signal, encoding, symbol)])),
    });
  }
  const { values: _, ...facts } = signal;
  return { ...facts, files };
}
