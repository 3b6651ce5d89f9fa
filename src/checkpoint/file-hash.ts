import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { LuthierError } from "../error.js";
import type { WrittenFile } from "./atomic.js";
import { fileError } from "./file-error.js";

/** Size and sha256 of a file, read in pieces. @throws LuthierError when it cannot be read. */
export async function hashFile(file: string): Promise<WrittenFile> {
  return hashOf(piecesOf(file));
}

/** Size and sha256 of what a file with these pieces would have. */
export async function hashOf(pieces: AsyncIterable<Uint8Array>): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of pieces) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** A file from its beginning to its end. @throws LuthierError when it cannot be read, or is a device or pipe: these may have no end. */
export async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    const found = await stat(file);
    if (!found.isFile() && !found.isDirectory())
      throw new LuthierError(`${file} is a device or a pipe`, "Put a file in its place.");
    yield* createReadStream(file, { highWaterMark: 2 ** 20 });
  } catch (error) {
    throw fileError("read", file, error);
  }
}
