import { realpath } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { makeFolder, type WrittenFile, writeAtomically } from "../checkpoint/atomic.js";
import { readBounded } from "../checkpoint/bounded-file.js";
import { fileError, isMissing } from "../checkpoint/file-error.js";
import { parseJson } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";

/* The JSON files by which a run knows itself: run.json, quantization.json and the manifests of packs. */

/** A file of a run as its index records it; `file` is relative to the index's folder. */
export const fileEntry = z.strictObject({ file: z.string(), bytes: z.int().min(0), sha256: z.string() });

/** A linear takes some 600 bytes; models with the most experts have 100,000. */
const recordBytesLimit = 200e6;

export type FileEntry = z.infer<typeof fileEntry>;

/**
 * Reads a record; null when there is none.
 * @throws LuthierError when it cannot be read or is not what the schema says; `fix` is the way out of that.
 */
export async function readRecord<T>(file: string, schema: z.ZodType<T>, fix: string): Promise<T | null> {
  let text: string;
  try {
    text = Buffer.from(await readBounded(file, recordBytesLimit)).toString("utf8");
  } catch (error) {
    if (error instanceof LuthierError && isMissing(error.cause)) return null;
    throw error;
  }
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  throw new LuthierError(`${file} is damaged or of another version: ${where}${issue.message}`, fix);
}

/** Two spaces and a newline at the end, for people too; written atomically. */
export async function writeRecord(file: string, value: object): Promise<WrittenFile> {
  await makeFolder(path.dirname(file));
  return writeAtomically(file, [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)]);
}

/** @throws LuthierError when an index names a file outside its own folder, by its path or by a link on the way to it. */
export async function expectInside(
  entries: readonly { readonly file: string }[],
  index: string,
): Promise<void> {
  const folder = path.dirname(index);
  for (const file of new Set(entries.map((entry) => entry.file))) {
    const leadsOut = path.isAbsolute(file) || path.normalize(file).startsWith("..") || file.includes("\0");
    if (!leadsOut && (await isWithin(path.join(folder, file), folder))) continue;
    throw new LuthierError(
      `${index} names a file outside its folder: ${file}`,
      "do not use this run: it was tampered with",
    );
  }
}

/** By where links lead; what is not there is missed by who reads it. */
async function isWithin(file: string, folder: string): Promise<boolean> {
  try {
    const [found, root] = [await realpath(file), await realpath(folder)];
    return found === root || found.startsWith(`${root}${path.sep}`);
  } catch (error) {
    if (isMissing(error)) return true;
    throw fileError("read", file, error);
  }
}

/** Undefined for text that is no JSON, which no schema accepts. */
function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
