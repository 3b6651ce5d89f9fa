import { rm } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { InputStatistics } from "../calibration/input-statistics.js";
import { makeFolder } from "../checkpoint/atomic.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { readHeader, type TensorInfo, writeSafetensors } from "../checkpoint/safetensors.js";
import { openTensors } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import { matrix } from "../tensor/matrix.js";
import { float32Tensor } from "../tensor/tensor.js";
import { named } from "./quantized-files.js";
import { expectInside, fileEntry, readRecord, writeRecord } from "./record.js";

/* The files under `statistics/`: docs/formats.md describes them. */

const statisticsSource = z.strictObject({
  /** Of this package and of what computes the float model. */
  versions: z.record(z.string(), z.string()),
  /** sha256 of every file of the checkpoint, by name. */
  model: z.record(z.string(), z.string()),
  /** Null of a run whose methods need no text: it measures nothing. */
  text: z.strictObject({ sha256: z.string(), windows: z.int(), length: z.int() }).nullable(),
  /** What the checkpoint was changed by before, in order: each with its options, and the sha256 of what it found. */
  transforms: z.array(z.looseObject({ transform: z.string() })),
});

const storedInput = fileEntry.extend({
  /** Every linear that reads this input, in the order in which they are computed. */
  linears: z.array(z.string()).min(1),
  tokens: z.int().min(1),
  /** Whether the file has second moments. */
  second: z.boolean(),
});

const indexSchema = z.strictObject({
  format: z.literal("luthier-statistics"),
  version: z.literal(1),
  source: statisticsSource,
  inputs: z.array(storedInput),
});

/** What made statistics: with the same they are the same. */
export type StatisticsSource = z.infer<typeof statisticsSource>;
export type StoredInput = z.infer<typeof storedInput>;

/** One folder for the checkpoint as it is, one for each list of transforms before. */
export function statisticsFolder(run: string, { transforms }: Pick<StatisticsSource, "transforms">): string {
  const names = transforms.map(({ transform }) => transform);
  return path.join(run, "statistics", names.length === 0 ? "checkpoint" : `after-${names.join("-")}`);
}

const indexFile = "statistics.json";

/**
 * The inputs whose statistics lie in a folder, made by the same, each file as it was written. What is of another source
 * is deleted.
 */
export async function soundInputs(folder: string, source: StatisticsSource): Promise<readonly StoredInput[]> {
  try {
    const file = path.join(folder, indexFile);
    const index = await readRecord(file, indexSchema, "delete it");
    if (index !== null && isDeepStrictEqual(index.source, source)) {
      await expectInside(index.inputs, file);
      const inputs: StoredInput[] = [];
      for (const input of index.inputs) if (await isSound(folder, input)) inputs.push(input);
      return inputs;
    }
  } catch (error) {
    if (!(error instanceof LuthierError)) throw error; // damaged: all is measured anew
  }
  await rm(folder, { recursive: true, force: true });
  return [];
}

/** The inputs whose statistics lie in a folder, whatever made them; none where there is no such folder. @throws LuthierError when its index is damaged. */
export async function readInputs(folder: string): Promise<readonly StoredInput[]> {
  const file = path.join(folder, indexFile);
  const index = await readRecord(file, indexSchema, "delete it");
  await expectInside(index?.inputs ?? [], file);
  return index?.inputs ?? [];
}

export async function writeInputs(
  folder: string,
  source: StatisticsSource,
  inputs: readonly StoredInput[],
): Promise<void> {
  await writeRecord(path.join(folder, indexFile), {
    format: "luthier-statistics",
    version: 1,
    source,
    inputs,
  });
}

/** Writes what was measured of one input. */
export async function writeInput(
  folder: string,
  linears: readonly string[],
  { tokens, second, ...means }: InputStatistics,
): Promise<StoredInput> {
  await makeFolder(folder);
  const file = `${linears[0]}.safetensors`;
  const tensors = {
    mean: float32Tensor(means.mean),
    mean_magnitude: float32Tensor(means.meanMagnitude),
    mean_square: float32Tensor(means.meanSquare),
    largest: float32Tensor(means.largest),
    ...(second && { second: float32Tensor(second.data, [second.rows, second.columns]) }),
  };
  const written = await writeSafetensors(path.join(folder, file), named(tensors), {
    format: "luthier-input-statistics",
    version: "1",
    linears: JSON.stringify(linears),
    tokens: String(tokens),
  });
  return { file, ...written, linears: [...linears], tokens, second: second !== null };
}

/**
 * @param second whether second moments are read; they must be there then.
 * @throws LuthierError when the file is damaged or has other tensors.
 */
export async function readInput(
  folder: string,
  { file, tokens }: StoredInput,
  second: boolean,
): Promise<InputStatistics> {
  const full = path.join(folder, file);
  const source = await openTensors([full]);
  try {
    if (!hasStatistics(source.tensors, second))
      throw new LuthierError(
        `${full} holds no statistics of an input`,
        "delete its folder: they are measured again",
      );
    const read = async (name: string) => new Float32Array((await source.read(name)).buffer as ArrayBuffer);
    const mean = await read("mean");
    return {
      tokens,
      mean,
      meanMagnitude: await read("mean_magnitude"),
      meanSquare: await read("mean_square"),
      largest: await read("largest"),
      second: second ? matrix(mean.length, mean.length, await read("second")) : null,
    };
  } finally {
    await source.close();
  }
}

/** Whether a file is as its index says, with tensors of one K. */
async function isSound(folder: string, { file, bytes, sha256, second }: StoredInput): Promise<boolean> {
  const full = path.join(folder, file);
  try {
    const found = await hashFile(full);
    if (found.bytes !== bytes || found.sha256 !== sha256) return false;
    return hasStatistics((await readHeader(full)).tensors, second);
  } catch (error) {
    if (error instanceof LuthierError) return false;
    throw error;
  }
}

/** Vectors of one length K, and second moments `[K, K]` where they are asked for. */
function hasStatistics(tensors: ReadonlyMap<string, TensorInfo>, second: boolean): boolean {
  const size = tensors.get("mean")?.shape[0] ?? 0;
  const vectors = ["mean", "mean_magnitude", "mean_square", "largest"];
  return (
    vectors.every((name) => isFloat32(tensors.get(name), [size])) &&
    (!second || isFloat32(tensors.get("second"), [size, size]))
  );
}

function isFloat32(info: TensorInfo | undefined, shape: readonly number[]): boolean {
  return info?.dtype === "F32" && info.shape.join() === shape.join();
}
