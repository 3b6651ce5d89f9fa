import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { WrittenFile } from "./atomic.js";
import { fileError } from "./file-error.js";

/** Size and sha256 of a file, read in pieces. @throws LuthierError when it cannot be read. */
export async function hashFile(file: string): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
  return { bytes, sha256: hash.digest("hex") };
}
