import { open } from "node:fs/promises";
import { LuthierError } from "../error.js";
import { fileError } from "./file-error.js";

/** Reads a whole file that must not be larger than a bound. @throws LuthierError when it is, or cannot be read. */
export async function readBounded(file: string, limitBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size <= limitBytes) return await handle.readFile();
      throw new LuthierError(
        `${file} has ${size} bytes; files of its kind are read up to ${limitBytes} bytes`,
        "Check that it is the file you mean.",
      );
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
}
