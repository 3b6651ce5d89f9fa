import { packCodes, unpackCodes } from "../codes.js";

/*
 * How other libraries put codes into 32-bit words: a dense stream of bits, the least significant first, that begins
 * anew with every row. In memory such a row is the dense stream of codes.ts, padded to whole words.
 */

const wordBits = 32;

/** 32-bit words of one row of codes. */
export function wordsOf(length: number, bits: number): number {
  return Math.ceil((length * bits) / wordBits);
}

/** `[rows, length]` codes of `bits` bits → `[rows, wordsOf(length, bits)]` little-endian words. */
export function packRows(codes: Uint8Array, length: number, bits: number): Uint8Array {
  if ((length * bits) % wordBits === 0) return packCodes(codes, bits);
  const rowBytes = wordsOf(length, bits) * 4;
  const rows = codes.length / length;
  const out = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    out.set(packCodes(codes.subarray(row * length, (row + 1) * length), bits), row * rowBytes);
  }
  return out;
}

/** The inverse of `packRows`. @throws RangeError when `words` has not exactly the bytes of these rows. */
export function unpackRows(words: Uint8Array, rows: number, length: number, bits: number): Uint8Array {
  const rowBytes = wordsOf(length, bits) * 4;
  if (words.length !== rows * rowBytes) {
    throw new RangeError(`${words.length} bytes of words, expected ${rows * rowBytes}`);
  }
  if ((length * bits) % wordBits === 0) return unpackCodes(words, bits, rows * length);
  const used = Math.ceil((length * bits) / 8);
  const out = new Uint8Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const bytes = words.subarray(row * rowBytes, row * rowBytes + used);
    out.set(unpackCodes(bytes, bits, length), row * length);
  }
  return out;
}

/** `[rows, columns]` → `[columns, rows]`. */
export function transposeCodes(codes: Uint8Array, rows: number, columns: number): Uint8Array {
  return transposeInto(codes, new Uint8Array(codes.length), rows, columns);
}

/** `[rows, columns]` words of four bytes → `[columns, rows]`. */
export function transposeWords(words: Uint8Array, rows: number, columns: number): Uint8Array {
  // A tensor may begin at any byte of what was read.
  const aligned = words.byteOffset % 4 === 0 ? words : words.slice();
  const source = new Uint32Array(aligned.buffer, aligned.byteOffset, rows * columns);
  return new Uint8Array(transposeInto(source, new Uint32Array(source.length), rows, columns).buffer);
}

/** `[rows, columns]` → `[columns, rows]`. */
export function transposeFloats(values: Float32Array, rows: number, columns: number): Float32Array {
  return transposeInto(values, new Float32Array(values.length), rows, columns);
}

/** Edge of the square blocks that a transposition goes through, so that both sides stay in the cache. */
const block = 64;

function transposeInto<T extends Uint8Array | Uint32Array | Float32Array>(
  source: T,
  out: T,
  rows: number,
  columns: number,
): T {
  for (let top = 0; top < rows; top += block) {
    const bottom = Math.min(top + block, rows);
    for (let left = 0; left < columns; left += block) {
      const right = Math.min(left + block, columns);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          out[column * rows + row] = source[row * columns + column];
        }
      }
    }
  }
  return out;
}
