import { access, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { flushDirectory, isTemporary, makeFolder } from "../checkpoint/atomic.js";
import { fileError } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";
import { recipeSchema } from "../recipe/schema.js";
import { inputFile } from "./input-files.js";
import { readRecord, writeRecord } from "./record.js";
import { runContents } from "./run-contents.js";
import { isLockFile } from "./run-lock.js";

/*
 * The folder of one run:
 *
 *   run.json           recipe as resolved, versions, sha256 of every input, stages with their times
 *   origin.json        the same as it was when the run began: what its files belong to, should run.json be lost
 *   quantized/         schemes, the tensors kept float, configuration and tokenizer
 *   statistics/        what calibration text says of the inputs of linears, where a method asks for it
 *   packs/<target>/
 *   parts/             what each part of a run in parts has made, until they are merged
 *   answers/           what models answered to tasks, as they came
 *   reports/
 */

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

const recordFile = "run.json";
const originFile = "origin.json";

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
function tryReadRunRecord(directory: string, file = recordFile): Promise<RunRecord | null> {
  return readRecord(
    path.join(directory, file),
    runRecord,
    "run the same `luthier quantize` again; if that refuses, start over with --fresh or choose another folder",
  );
}

export async function writeRunRecord(directory: string, record: RunRecord): Promise<void> {
  await writeRecord(path.join(directory, recordFile), record);
}

/**
 * The record of the run that the folder holds, or how it began where the record is lost or damaged; null of a new folder.
 * @param hasParts whether records of parts say what its files were made from; asked for after these have been seen.
 * @throws LuthierError when both are, and there are files of a run: nobody can tell what they were made from.
 */
export async function readEarlierRecord(
  directory: string,
  hasParts: () => Promise<boolean> = async () => false,
): Promise<RunRecord | null> {
  let damage: unknown = null;
  for (const file of [recordFile, originFile]) {
    try {
      const found = await tryReadRunRecord(directory, file);
      if (found) return found;
    } catch (error) {
      if (!(error instanceof LuthierError)) throw error;
      damage ??= error;
    }
  }
  const quantized = path.join(directory, "quantized");
  const hasFiles = await access(quantized).then(
    () => true,
    () => false,
  );
  if (!hasFiles) return null; // both were torn while the run began: nothing is lost
  if (damage) throw damage;
  if (await hasParts()) return null;
  throw new LuthierError(
    `${directory} holds ${quantized}, but neither ${recordFile} nor ${originFile} says what it was made from`,
    "start over with --fresh, or choose another folder",
    { usage: true },
  );
}

/** Writes how a run begins, before anything else of it, and again where that is lost. */
export async function writeOrigin(directory: string, record: RunRecord): Promise<void> {
  const found = await tryReadRunRecord(directory, originFile).catch(() => null);
  if (!found) await writeRecord(path.join(directory, originFile), { ...record, stages: [], indexes: {} });
}

/**
 * Makes the folder ready for one process to write a run into: creates it, with `fresh` deletes an earlier run's files, and
 * removes temporary files that a killed process left.
 * @throws LuthierError when it holds anything that is not a run's.
 */
export async function prepareRunDirectory(directory: string, fresh: boolean): Promise<void> {
  await prepareForPart(directory);
  try {
    if (fresh) await deleteRun(directory);
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && isTemporary(entry.name))
        await rm(path.join(entry.parentPath, entry.name), { force: true });
    }
  } catch (error) {
    throw fileError("prepare", directory, error);
  }
}

/**
 * The same for one of several processes that write parts of a run: nothing is deleted, for temporary files may be others'.
 * @throws LuthierError when it holds anything that is not a run's.
 */
export async function prepareForPart(directory: string): Promise<void> {
  try {
    await makeFolder(directory);
    const strangers = (await readdir(directory)).filter(
      (name) => !runContents.includes(name) && !isLockFile(name) && !isTemporary(name),
    );
    if (strangers.length > 0 && !(await readEarlierRecord(directory).catch(() => null))) {
      throw new LuthierError(
        `${directory} holds other files (${strangers.slice(0, 3).join(", ")}) and no run`,
        "choose an empty or a new folder with --out",
        { usage: true },
      );
    }
  } catch (error) {
    throw fileError("prepare", directory, error);
  }
}

/** In the order of `runContents`, also after a power cut: a stopped deletion leaves a run with fewer files, not files of no run. */
async function deleteRun(directory: string): Promise<void> {
  for (const name of runContents) {
    await rm(path.join(directory, name), { recursive: true, force: true });
    await flushDirectory(directory);
  }
}
