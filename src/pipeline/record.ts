import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { makeFolder, type WrittenFile, writeAtomically } from "../checkpoint/atomic.js";
import { fileError, isMissing } from "../checkpoint/file-error.js";
import { parseJson } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";

/* The JSON files by which a run knows itself: run.json, quantization.json and the manifests of packs. */

/** A file of a run as its index records it; `file` is relative to the index's folder. */
export const fileEntry = z.strictObject({ file: z.string(), bytes: z.int().min(0), sha256: z.string() });

export type FileEntry = z.infer<typeof fileEntry>;

/**
 * Reads a record; null when there is none.
 * @throws LuthierError when it cannot be read or is not what the schema says; `fix` is the way out of that.
 */
export async function readRecord<T>(file: string, schema: z.ZodType<T>, fix: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError("read", file, error);
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

/** @throws LuthierError when an index names a file outside its own folder. */
export function expectInside(entries: readonly { readonly file: string }[], index: string): void {
  for (const { file } of entries) {
    if (!path.isAbsolute(file) && !path.normalize(file).startsWith("..")) continue;
    throw new LuthierError(
      `${index} names a file outside its folder: ${file}`,
      "do not use this run: it was tampered with",
    );
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
