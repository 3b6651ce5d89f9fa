import { type GgmlType, ggmlTypes } from "../../checkpoint/gguf-header.js";

/*
 * ggml's blocks: consecutive weights of a row with one FP16 scale, `w = scale · level` (ggml-common.h, and the
 * dequantize_row functions of ggml-quants.c). A code byte holds the digits of several weights; the levels are the digits
 * moved down by a constant. README.md draws the bytes.
 */

export const blockTypeNames = ["tq1_0", "tq2_0", "q2_0", "q4_0", "q8_0"] as const;

export type BlockTypeName = (typeof blockTypeNames)[number];

export interface BlockType {
  readonly name: BlockTypeName;
  /** Its name and facts in files. */
  readonly ggml: GgmlType;
  /** Weights. */
  readonly size: number;
  readonly bytes: number;
  /** Where the FP16 scale lies. */
  readonly scaleAt: number;
  readonly codesAt: number;
  /** Levels reach from here … */
  readonly lowest: number;
  /** … to here. */
  readonly highest: number;
  /** `[code bytes, digits a byte]`: the weight that each digit belongs to; `none` for a digit that is always 0. */
  readonly places: readonly Uint16Array[];
  /** What is flipped in a stored byte of one digit: two's complement is the digit with its top bit inverted. */
  readonly flip: number;
  /** Digits of a byte are base 3, scaled to use the byte's whole range, or bits. */
  readonly base3: boolean;
}

const none = 0xffff;

/** In the order of bits a weight: 1.69, 2.06, 2.25, 4.5, 8.5. */
export const blockTypes: readonly BlockType[] = [
  // 48 bytes of five weights in runs of 32, then 16, and four of four weights.
  blockType(
    "tq1_0",
    "TQ1_0",
    { scaleAt: 52, codesAt: 0, lowest: -1, highest: 1, base3: true },
    52,
    (byte) => {
      if (byte < 32) return digits(5, (n) => byte + 32 * n);
      if (byte < 48) return digits(5, (n) => 160 + (byte - 32) + 16 * n);
      return digits(5, (n) => (n < 4 ? 240 + (byte - 48) + 4 * n : none));
    },
  ),
  // Of the four digits a byte could hold only three are levels: ggml writes no fourth.
  blockType("tq2_0", "TQ2_0", { scaleAt: 64, codesAt: 0, lowest: -1, highest: 1 }, 64, (byte) =>
    digits(4, (n) => 128 * (byte >> 5) + (byte & 31) + 32 * n),
  ),
  blockType("q2_0", "Q2_0", { scaleAt: 0, codesAt: 2, lowest: -1, highest: 2 }, 16, (byte) =>
    digits(4, (n) => 4 * byte + n),
  ),
  blockType("q4_0", "Q4_0", { scaleAt: 0, codesAt: 2, lowest: -8, highest: 7 }, 16, (byte) =>
    digits(2, (n) => byte + 16 * n),
  ),
  blockType("q8_0", "Q8_0", { scaleAt: 0, codesAt: 2, lowest: -128, highest: 127, flip: 0x80 }, 32, (byte) =>
    digits(1, () => byte),
  ),
];

export function blockTypeNamed(name: BlockTypeName): BlockType {
  return blockTypes[blockTypeNames.indexOf(name)];
}

/** Writes the code bytes of `block` for `size` levels. */
export function writeLevels(type: BlockType, levels: Int8Array, block: Uint8Array): void {
  const { codesAt, places, lowest, flip, base3 } = type;
  for (let byte = 0; byte < places.length; byte++) {
    const place = places[byte];
    let code = 0;
    for (let n = 0; n < place.length; n++) {
      const digit = place[n] === none ? 0 : levels[place[n]] - lowest;
      code = base3 ? 3 * code + digit : code + (digit << (n * (8 / place.length)));
    }
    block[codesAt + byte] = base3 ? scaledUp(code) : code ^ flip;
  }
}

/**
 * Reads `size` levels from the code bytes of `block`.
 * @returns false when a byte is none that `writeLevels` writes.
 */
export function readLevels(type: BlockType, block: Uint8Array, levels: Int8Array): boolean {
  const { codesAt, places, lowest, highest, flip, base3 } = type;
  let sound = true;
  for (let byte = 0; byte < places.length; byte++) {
    const place = places[byte];
    const stored = block[codesAt + byte];
    let rest = 0;
    for (let n = 0; n < place.length; n++) {
      const bits = 8 / place.length;
      const digit = base3 ? base3Digit(stored, n) : ((stored ^ flip) >> (n * bits)) & (2 ** bits - 1);
      rest = 3 * rest + digit;
      if (place[n] === none) sound &&= digit === 0;
      else levels[place[n]] = digit + lowest;
      sound &&= digit + lowest <= highest;
    }
    if (base3) sound &&= scaledUp(rest) === stored;
  }
  return sound;
}

/** Five base-3 digits 0 … 242 as ⌈v · 256 / 243⌉, so that multiplying by 3 brings digit after digit into bit 8. */
function scaledUp(v: number): number {
  return Math.floor((v * 256 + 242) / 243);
}

/** Digit n of five, the most significant first: `(byte · 3^n mod 256) · 3 >> 8`. */
function base3Digit(byte: number, n: number): number {
  return (((byte * 3 ** n) & 255) * 3) >> 8;
}

function digits(count: number, weight: (n: number) => number): Uint16Array {
  return Uint16Array.from({ length: count }, (_, n) => weight(n));
}

function blockType(
  name: BlockTypeName,
  ggml: GgmlType,
  facts: Pick<BlockType, "scaleAt" | "codesAt" | "lowest" | "highest"> & { flip?: number; base3?: boolean },
  codeBytes: number,
  place: (byte: number) => Uint16Array,
): BlockType {
  const { size, bytes } = ggmlTypes[ggml];
  const places = Array.from({ length: codeBytes }, (_, byte) => place(byte));
  return { name, ggml, size, bytes, flip: 0, base3: false, ...facts, places };
}
