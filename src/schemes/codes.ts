/*
 * How codes are stored in files: integer codes in as many bits as they have, trits five to a byte, signs eight.
 */

/** `codes` of `bits` bits (1 to 8), least significant bit first, one dense stream; the last byte is padded with zeros. */
export function packCodes(codes: Uint8Array, bits: number): Uint8Array {
  if (bits === 8) return codes;
  const out = new Uint8Array(Math.ceil((codes.length * bits) / 8));
  let held = 0;
  let heldBits = 0;
  let at = 0;
  for (const code of codes) {
    held |= code << heldBits;
    heldBits += bits;
    if (heldBits >= 8) {
      out[at++] = held;
      held >>= 8;
      heldBits -= 8;
    }
  }
  if (heldBits > 0) out[at] = held;
  return out;
}

/** @throws RangeError when `packed` has not exactly the bytes of `count` codes. */
export function unpackCodes(packed: Uint8Array, bits: number, count: number): Uint8Array {
  expectBytes(packed, Math.ceil((count * bits) / 8));
  if (bits === 8) return packed;
  const out = new Uint8Array(count);
  const mask = (1 << bits) - 1;
  let held = 0;
  let heldBits = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (heldBits < bits) {
      held |= packed[at++] << heldBits;
      heldBits += 8;
    }
    out[i] = held & mask;
    held >>= bits;
    heldBits -= bits;
  }
  return out;
}

/** Five trits fill a byte: 3^5 = 243. */
export const tritsPerByte = 5;

/** Trits −1, 0, 1 as base-3 digits 0, 1, 2, the first of five least significant; the last byte is padded with trit −1. */
export function packTrits(trits: Int8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(trits.length / tritsPerByte));
  const whole = Math.floor(trits.length / tritsPerByte);
  for (let byte = 0, i = 0; byte < whole; byte++, i += tritsPerByte) {
    // 121 = 1 + 3 + 9 + 27 + 81 shifts every digit from −1…1 to 0…2.
    out[byte] = trits[i] + 3 * trits[i + 1] + 9 * trits[i + 2] + 27 * trits[i + 3] + 81 * trits[i + 4] + 121;
  }
  for (let i = whole * tritsPerByte, power = 1; i < trits.length; i++, power *= 3) {
    out[whole] += (trits[i] + 1) * power;
  }
  return out;
}

// [243, 5]: the trits of every byte.
const tritsOfByte = Int8Array.from(
  { length: 243 * tritsPerByte },
  (_, i) => (Math.floor(Math.floor(i / tritsPerByte) / 3 ** (i % tritsPerByte)) % 3) - 1,
);

/** @throws RangeError when `packed` has not exactly the bytes of `count` trits, or a byte above 242. */
export function unpackTrits(packed: Uint8Array, count: number): Int8Array {
  expectBytes(packed, Math.ceil(count / tritsPerByte));
  const out = new Int8Array(packed.length * tritsPerByte);
  for (let byte = 0, i = 0; byte < packed.length; byte++) {
    if (packed[byte] > 242) throw new RangeError(`byte ${byte} is ${packed[byte]}, five trits reach 242`);
    const from = packed[byte] * tritsPerByte;
    for (let digit = 0; digit < tritsPerByte; digit++) out[i++] = tritsOfByte[from + digit];
  }
  return out.subarray(0, count);
}

/** Signs −1, 1 as bits 0, 1, the first of eight least significant; the last byte is padded with zeros. */
export function packSigns(signs: Int8Array): Uint8Array {
  const bits = new Uint8Array(signs.length);
  for (let i = 0; i < signs.length; i++) bits[i] = signs[i] > 0 ? 1 : 0;
  return packCodes(bits, 1);
}

/** @throws RangeError when `packed` has not exactly the bytes of `count` signs. */
export function unpackSigns(packed: Uint8Array, count: number): Int8Array {
  const bits = unpackCodes(packed, 1, count);
  const out = new Int8Array(count);
  for (let i = 0; i < count; i++) out[i] = 2 * bits[i] - 1;
  return out;
}

function expectBytes(packed: Uint8Array, expected: number): void {
  if (packed.length !== expected)
    throw new RangeError(`${packed.length} bytes of codes, expected ${expected}`);
}
