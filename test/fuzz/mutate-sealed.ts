import { createHash } from "node:crypto";
import type { Chance } from "./chance.js";
import { mutateJson } from "./mutate-json.js";
import { mutateSafetensors } from "./mutate-safetensors.js";

/**
 * Changes a safetensors file of a run, whose metadata holds the sha256 of its data and JSON in texts: that JSON by its
 * structure, and half of all files with the sha256 that belongs to them, as who means harm would.
 */
export function mutateSealed(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  const changed = chance.oncePer(3) ? bytes : mutateSafetensors(bytes, other, chance);
  return withHeader(changed, (header, data) => {
    const metadata = header.__metadata__ as Record<string, string>;
    const inner = Object.keys(metadata).filter((key) => metadata[key].startsWith("{"));
    if (inner.length > 0 && chance.oncePer(2)) {
      const key = chance.oneOf(inner);
      metadata[key] = Buffer.from(mutateJson(Buffer.from(metadata[key]), other, chance)).toString("utf8");
    }
    if (chance.oncePer(2)) metadata.dataSha256 = sha256Of(header, data);
  });
}

type Header = Record<string, unknown>;

/** What is no header any more stays as it is. */
function withHeader(bytes: Uint8Array, change: (header: Header, data: Uint8Array) => void): Uint8Array {
  try {
    const length = Number(Buffer.from(bytes).readBigUInt64LE());
    const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString("utf8"));
    const data = bytes.subarray(8 + length);
    change(header, data);
    const text = Buffer.from(JSON.stringify(header));
    const declared = Buffer.alloc(8);
    declared.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([declared, text, data]);
  } catch {
    return bytes;
  }
}

/** Of the tensors' bytes, in the order of their names. */
function sha256Of(header: Header, data: Uint8Array): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(header).sort()) {
    if (name === "__metadata__") continue;
    const [begin, end] = (header[name] as { data_offsets: [number, number] }).data_offsets;
    hash.update(data.subarray(begin, end));
  }
  return hash.digest("hex");
}
