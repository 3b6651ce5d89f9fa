import path from "node:path";
import { makeFolder } from "../checkpoint/atomic.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import { LuthierError } from "../error.js";
import type { Tensors } from "../tensor/tensor.js";
import { dataSha256, named, quantizedFolder, readAll } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

/* Files of what transforms found, under `quantized/`: a run that goes on takes what is sound of them. */

/** @param file relative to `quantized/`. @param format what the file says that it is. */
export async function writeFound(
  run: string,
  file: string,
  format: string,
  tensors: Tensors,
): Promise<FileEntry> {
  const full = path.join(quantizedFolder(run), file);
  await makeFolder(path.dirname(full));
  const written = await writeSafetensors(full, named(tensors), {
    format,
    version: "1",
    dataSha256: dataSha256(tensors),
  });
  return { file, ...written };
}

/**
 * What an earlier process wrote; null when there is none, or it is damaged or of another format.
 * @param parse gives null for tensors that are not what is looked for.
 */
export async function readFound<Found>(
  run: string,
  file: string,
  format: string,
  parse: (tensors: Tensors) => Found | null,
): Promise<{ readonly found: Found; readonly file: FileEntry } | null> {
  const full = path.join(quantizedFolder(run), file);
  try {
    const { metadata } = await readHeader(full);
    if (metadata.format !== format || metadata.version !== "1") return null;
    const tensors = await readAll(full);
    if (metadata.dataSha256 !== dataSha256(tensors)) return null;
    const found = parse(tensors);
    return found && { found, file: { file, ...(await hashFile(full)) } };
  } catch (error) {
    if (error instanceof LuthierError) return null;
    throw error;
  }
}
