/*
 * TeLLMe's ternary indices (arXiv 2510.15926 §III): three weights along K are one base-3 index of five bits, 28 indices
 * one word of a pair of 72-bit URAMs, 140 of whose 144 bits are used. README.md draws a word.
 */

export const weightsPerIndex = 3;
export const indicesPerWord = 28;
export const inputsPerWord = weightsPerIndex * indicesPerWord;
export const bytesPerWord = 18;
const bitsPerIndex = 5;
/** Three zero weights, in either order of digits. */
export const zeroIndex = 13;

/** Which weight of three is the base-3 digit of weight 1. The paper does not say; see README.md. */
export type DigitOrder = "first-least-significant" | "first-most-significant";

/** Place values of the three weights of an index. */
export function digitPlaces(order: DigitOrder): readonly [number, number, number] {
  return order === "first-least-significant" ? [1, 3, 9] : [9, 3, 1];
}

/** Words along K: K padded with zero weights to whole words. */
export function wordsAlong(columns: number): number {
  return Math.ceil(columns / inputsPerWord);
}

/** A plane's trits `[N, K]` as words `[⌈K / 84⌉, N, 18]` bytes. */
export function packPlane(codes: Int8Array, rows: number, columns: number, order: DigitOrder): Uint8Array {
  const out = new Uint8Array(wordsAlong(columns) * rows * bytesPerWord);
  const places = digitPlaces(order);
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index * weightsPerIndex < wordsAlong(columns) * inputsPerWord; index++) {
      let value = 0;
      for (let digit = 0; digit < weightsPerIndex; digit++) {
        const column = index * weightsPerIndex + digit;
        const trit = column < columns ? codes[row * columns + column] : 0;
        value += (trit + 1) * places[digit];
      }
      writeIndex(out, wordPlace(row, index, rows), index % indicesPerWord, value);
    }
  }
  return out;
}

/** The trits `[N, K]` of a plane's words, padding left out. */
export function unpackPlane(words: Uint8Array, rows: number, columns: number, order: DigitOrder): Int8Array {
  const out = new Int8Array(rows * columns);
  const places = digitPlaces(order);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const index = Math.floor(column / weightsPerIndex);
      const value = readIndex(words, wordPlace(row, index, rows), index % indicesPerWord);
      out[row * columns + column] = (Math.floor(value / places[column % weightsPerIndex]) % 3) - 1;
    }
  }
  return out;
}

/** The byte where the word lies that holds an output's index. */
export function wordPlace(row: number, index: number, rows: number): number {
  return (Math.floor(index / indicesPerWord) * rows + row) * bytesPerWord;
}

/** Index t of a word: bits 5t … 5t + 4, little-endian. */
export function readIndex(words: Uint8Array, word: number, t: number): number {
  const bit = t * bitsPerIndex;
  const at = word + (bit >> 3);
  return ((words[at] | (words[at + 1] << 8)) >> (bit & 7)) & 31; // the last index ends in byte 17, so at + 1 ≤ word + 17
}

/** Into bits that are zero. */
export function writeIndex(words: Uint8Array, word: number, t: number, value: number): void {
  const bit = t * bitsPerIndex;
  const at = word + (bit >> 3);
  const shifted = value << (bit & 7);
  words[at] |= shifted;
  words[at + 1] |= shifted >> 8;
}
