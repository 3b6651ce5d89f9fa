import { damagedPack } from "../target.js";

/*
 * I2_S (`quantize_i2_s` and `ggml_vec_dot_i2_i8_s` in src/ggml-bitnet-mad.cpp of microsoft/BitNet): 2-bit codes trit + 1,
 * four a byte. Byte j of a block holds the codes j, j + b, j + 2b and j + 3b, the first in its highest bits, where b is
 * the bytes of a block. README.md draws a block.
 */

/** Bytes of a block; it holds four times as many codes. */
export const blockBytes = { "i2_s-x86": 32, "i2_s-arm": 16 } as const;

/** Codes `[N, K]`, row after row; a row that does not fill its last block goes on with zero weights. */
export function packI2s(trits: Int8Array, rows: number, columns: number, block: number): Uint8Array {
  const rowBytes = Math.ceil(columns / (4 * block)) * block;
  const out = new Uint8Array(rows * rowBytes).fill(0b01010101);
  for (let row = 0, from = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, from++) {
      const at = row * rowBytes + Math.floor(column / (4 * block)) * block + (column % block);
      out[at] += trits[from] << shiftOf(column, block); // the zero that lies there is 1
    }
  }
  return out;
}

/** The trits `[N, K]` of whole blocks. @throws LuthierError when a code is none. */
export function i2sTrits(bytes: Uint8Array, rows: number, columns: number, block: number): Int8Array {
  refuseFourthCode(bytes);
  const out = new Int8Array(rows * columns);
  for (let i = 0; i < out.length; i++) {
    const at = Math.floor(i / (4 * block)) * block + (i % block);
    out[i] = ((bytes[at] >> shiftOf(i, block)) & 3) - 1;
  }
  return out;
}

/** @throws LuthierError when one of the 2-bit codes is 3. */
export function refuseFourthCode(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) {
    if ((bytes[at] & (bytes[at] >> 1) & 0b01010101) !== 0)
      throw damagedPack(`byte ${at} of its tensor weight holds the code 3, trits reach 2`);
  }
}

/** `[N]`, exact: `Σ code · x`, the trits plus 1. */
export function i2sSums(bytes: Uint8Array, rows: number, block: number, inputs: Int8Array): Int32Array {
  const rowBytes = inputs.length / 4;
  return Int32Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < inputs.length; column++) {
      const at = row * rowBytes + Math.floor(column / (4 * block)) * block + (column % block);
      sum += ((bytes[at] >> shiftOf(column, block)) & 3) * inputs[column];
    }
    return sum;
  });
}

function shiftOf(column: number, block: number): number {
  return 6 - 2 * (Math.floor(column / block) % 4);
}
