import { type FileHandle, open } from "node:fs/promises";
import { LuthierError } from "../error.js";
import { fileError } from "./file-error.js";

/** Reads a whole file that must not be larger than a bound. @throws LuthierError when it is, or cannot be read. */
export async function readBounded(file: string, limitBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const found = await handle.stat();
      if (!found.isFile()) return await readUpTo(handle, file, limitBytes);
      if (found.size > limitBytes) throw tooLarge(file, `${found.size} bytes`, limitBytes);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
}

/** Devices and pipes have no size, and may have no end. */
async function readUpTo(handle: FileHandle, file: string, limitBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of handle.createReadStream({ autoClose: false })) {
    bytes += piece.length;
    if (bytes > limitBytes) throw tooLarge(file, `more than ${limitBytes} bytes`, limitBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function tooLarge(file: string, size: string, limitBytes: number): LuthierError {
  return new LuthierError(
    `${file} has ${size}; files of its kind are read up to ${limitBytes} bytes`,
    "Check that it is the file you mean.",
  );
}
