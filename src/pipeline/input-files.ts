import { stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { fileError } from "../checkpoint/file-error.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { expectUnchanged, stateOf } from "../checkpoint/unchanged-files.js";
import type { OnProgress } from "./progress.js";

/* The files of a checkpoint as records name them: what a run was made from. */

/** As a file looks from outside, without being read. */
export const statedFile = z.strictObject({
  /** Within the checkpoint's folder. */
  name: z.string(),
  bytes: z.int().min(0),
  modifiedMs: z.number(),
});

export const inputFile = statedFile.extend({ sha256: z.string() });

export type StatedFile = z.infer<typeof statedFile>;
export type InputFile = z.infer<typeof inputFile>;

export function stateFiles({ directory, files }: Checkpoint): Promise<StatedFile[]> {
  return Promise.all(files.map((file) => stateFile(directory, file)));
}

async function stateFile(directory: string, file: string): Promise<StatedFile> {
  const { size, mtimeMs } = await stat(file).catch((error) => {
    throw fileError("read", file, error);
  });
  return { name: path.relative(directory, file), bytes: size, modifiedMs: mtimeMs };
}

/** sha256 of every file of the checkpoint; one whose size and time are as in the earlier record is not read again. */
export async function hashInputs(
  { directory, files }: Checkpoint,
  earlier: readonly InputFile[],
  onProgress: OnProgress,
): Promise<InputFile[]> {
  const inputs: InputFile[] = [];
  for (const file of files) {
    const what = path.relative(directory, file);
    onProgress({ stage: "hash", done: inputs.length, total: files.length, what });
    const state = await stateOf(file);
    const stated = await stateFile(directory, file);
    const known = earlier.find(
      ({ name, bytes, modifiedMs }) =>
        name === stated.name && bytes === stated.bytes && modifiedMs === stated.modifiedMs,
    );
    inputs.push(known ?? { ...stated, ...(await hashFile(file)) });
    await expectUnchanged(file, state);
  }
  onProgress({ stage: "hash", done: inputs.length, total: inputs.length, what: "" });
  return inputs;
}

/** Says the same of the same contents under the same names, whenever they were written. */
export function contentsOf(inputs: readonly InputFile[]): string {
  return JSON.stringify(inputs.map(({ name, sha256 }) => [name, sha256]));
}
