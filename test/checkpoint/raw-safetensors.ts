import { writeFile } from "node:fs/promises";
import path from "node:path";
import { temporaryFolder } from "./folder.js";

/** A safetensors file with whatever header, sound or not, and data of 0, 1, 2, … */
export function rawSafetensors(header: Uint8Array, dataBytes: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Uint8Array.from({ length: dataBytes }, (_, i) => i)]);
}

/** Writes `rawSafetensors` to a new file. A header that is no text is turned into JSON. */
export async function writeRaw(header: unknown, dataBytes: number): Promise<string> {
  const file = path.join(await temporaryFolder(), "model.safetensors");
  const json = typeof header === "string" ? header : JSON.stringify(header);
  await writeFile(file, rawSafetensors(Buffer.from(json), dataBytes));
  return file;
}
