import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { fileError } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";
import { recipeSchema } from "../recipe/schema.js";
import { readRecord, writeRecord } from "./record.js";
import { lockFile } from "./run-lock.js";

/*
 * The folder of one run:
 *
 *   run.json           recipe as resolved, versions, sha256 of every input, stages with their times
 *   quantized/         schemes, the tensors kept float, configuration and tokenizer
 *   statistics/        what calibration text says of the inputs of linears, where a method asks for it
 *   packs/<target>/
 *   answers/           what models answered to tasks, as they came
 *   reports/
 */

const inputFile = z.strictObject({
  name: z.string(),
  bytes: z.int().min(0),
  modifiedMs: z.number(),
  sha256: z.string(),
});

const runRecord = z.strictObject({
  format: z.literal("luthier-run"),
  version: z.literal(1),
  /** Of this package, of Node.js and of the run-time libraries that numbers may depend on. */
  versions: z.record(z.string(), z.string()),
  model: z.string(),
  recipe: z.strictObject({ name: z.string(), resolved: recipeSchema }),
  /** What the plan says besides its tables; absent when it says nothing. */
  notes: z.array(z.string()).optional(),
  inputs: z.array(inputFile),
  /** The text that methods were fitted to; absent where none was needed. */
  calibration: z
    .strictObject({ name: z.string(), sha256: z.string(), windows: z.int(), length: z.int() })
    .optional(),
  stages: z.array(z.strictObject({ name: z.string(), seconds: z.number(), peakMemoryBytes: z.number() })),
  /** sha256 of quantization.json and of every manifest, by path (`sealIndexes`). */
  indexes: z.record(z.string(), z.string()),
  state: z.enum(["running", "done"]),
});

export type RunRecord = z.infer<typeof runRecord>;
export type InputFile = z.infer<typeof inputFile>;

const recordFile = "run.json";
/** What a run writes, and `--fresh` deletes. */
const contents = [recordFile, "quantized", "statistics", "packs", "answers", "reports"];

/** Where answers to tasks are kept. */
export function answersFolder(run: string): string {
  return path.join(run, "answers");
}

/** @throws LuthierError when the folder holds no run, or one of another version. */
export async function readRunRecord(directory: string): Promise<RunRecord> {
  const record = await tryReadRunRecord(directory);
  if (record) return record;
  throw new LuthierError(
    `${directory} holds no run: it has no ${recordFile}`,
    "give the folder that `luthier quantize` wrote",
  );
}

/** The record, or null when the folder holds no run. @throws LuthierError when it is damaged. */
export function tryReadRunRecord(directory: string): Promise<RunRecord | null> {
  return readRecord(
    path.join(directory, recordFile),
    runRecord,
    "start over with --fresh, or choose another folder",
  );
}

export async function writeRunRecord(directory: string, record: RunRecord): Promise<void> {
  await writeRecord(path.join(directory, recordFile), record);
}

/**
 * Makes the folder ready to write a run into: creates it, with `fresh` deletes an earlier run's files, and removes
 * temporary files that a killed process left.
 * @throws LuthierError when it holds anything that is not a run's.
 */
export async function prepareRunDirectory(directory: string, fresh: boolean): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    const strangers = (await readdir(directory)).filter(
      (name) => !contents.includes(name) && name !== lockFile && !isTemporary(name),
    );
    if (strangers.length > 0 && !(await tryReadRunRecord(directory).catch(() => null))) {
      throw new LuthierError(
        `${directory} holds other files (${strangers.slice(0, 3).join(", ")}) and no run`,
        "choose an empty or a new folder with --out",
        { usage: true },
      );
    }
    if (fresh)
      for (const name of contents) await rm(path.join(directory, name), { recursive: true, force: true });
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && isTemporary(entry.name))
        await rm(path.join(entry.parentPath, entry.name), { force: true });
    }
  } catch (error) {
    throw fileError("prepare", directory, error);
  }
}

/** As `writeAtomically` names them. */
function isTemporary(name: string): boolean {
  return /^\..+\.\d+\.tmp$/.test(name);
}
