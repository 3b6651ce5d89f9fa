import path from "node:path";
import { hashFile } from "../checkpoint/file-hash.js";
import { LuthierError } from "../error.js";
import type { OnProgress } from "./progress.js";
import type { FileEntry } from "./record.js";

/** What is wrong with files of an index: missing ones, and those whose size or sha256 is not the recorded one. */
export async function damagedFiles(
  folder: string,
  entries: readonly FileEntry[],
  stage: string,
  onProgress: OnProgress,
): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [done, entry] of entries.entries()) {
    onProgress({ stage, done, total: entries.length, what: entry.file });
    const file = path.join(folder, entry.file);
    try {
      const { bytes, sha256 } = await hashFile(file);
      if (bytes !== entry.bytes) faults.push(`${file}: has ${bytes} bytes, recorded are ${entry.bytes}`);
      else if (sha256 !== entry.sha256)
        faults.push(`${file}: its sha256 is ${sha256}, recorded is ${entry.sha256}`);
    } catch (error) {
      faults.push(...asFault(error));
    }
  }
  onProgress({ stage, done: entries.length, total: entries.length, what: "" });
  return faults;
}

/** The message of an error that damage causes; others are thrown on. */
export function asFault(error: unknown): readonly string[] {
  if (error instanceof LuthierError) return [error.message];
  throw error;
}
