import { stat } from "node:fs/promises";
import { LuthierError } from "../error.js";
import { fileError } from "./file-error.js";
import type { TensorSource } from "./tensor-source.js";

/** Which file it is, how long, and when it was written: what changes when anybody writes it, or puts another in its place. */
export async function stateOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    throw fileError("read", file, error);
  }
}

/** @throws LuthierError when a file is not in the state that it was in. */
export async function expectUnchanged(file: string, state: string): Promise<void> {
  if ((await stateOf(file)) === state) return;
  throw new LuthierError(
    `${file} was changed while it was read`,
    "wait until nobody writes the checkpoint any more, then run again",
  );
}

/** A source whose every read fails when its file has changed since now: what was read may be of both versions then. */
export async function unchanged(source: TensorSource, files: readonly string[]): Promise<TensorSource> {
  const states = new Map<string, string>();
  for (const file of files) states.set(file, await stateOf(file));
  return {
    ...source,
    async read(name, rows) {
      const bytes = await source.read(name, rows);
      const file = source.tensors.get(name)?.file;
      const state = file && states.get(file);
      if (file && state) await expectUnchanged(file, state);
      return bytes;
    },
  };
}
