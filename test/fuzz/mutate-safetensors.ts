import type { Chance } from "./chance.js";
import { mutateBytes } from "./mutate-bytes.js";
import { mutateJson } from "./mutate-json.js";

/** Changes a safetensors file: its header as JSON, mostly with the length that belongs to it; or any of its bytes. */
export function mutateSafetensors(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  const length = bytes.length < 8 ? 0 : Number(Buffer.from(bytes).readBigUInt64LE());
  if (length > bytes.length - 8 || chance.oncePer(3)) return mutateBytes(bytes, other, chance);
  const header = mutateJson(bytes.subarray(8, 8 + length), other, chance);
  const data = chance.oncePer(4)
    ? mutateBytes(bytes.subarray(8 + length), other, chance)
    : bytes.subarray(8 + length);
  const declared = Buffer.alloc(8);
  declared.writeBigUInt64LE(BigInt(chance.oncePer(20) ? chance.below(2 * header.length + 9) : header.length));
  return Buffer.concat([declared, header, data]);
}
