import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  packRows,
  transposeCodes,
  transposeFloats,
  transposeWords,
  unpackRows,
  wordsOf,
} from "../../../src/schemes/stored/words.js";
import { integers } from "../../targets/random-weights.js";

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  length: fc.integer({ min: 1, max: 130 }),
  bits: fc.integer({ min: 1, max: 8 }),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
});

function randomCodes(count: number, bits: number, seed: number): Uint8Array {
  const next = integers(seed);
  return Uint8Array.from({ length: count }, () => next(2 ** bits));
}

test("unpacking gives the codes that were packed, whatever the row's length", () => {
  fc.assert(
    fc.property(shapes, ({ rows, length, bits, seed }) => {
      const codes = randomCodes(rows * length, bits, seed);
      const words = packRows(codes, length, bits);
      expect(words.length).toBe(rows * wordsOf(length, bits) * 4);
      expect(unpackRows(words, rows, length, bits)).toEqual(codes);
    }),
  );
});

test("code i of a row lies at bit i · bits of the row's words", () => {
  fc.assert(
    fc.property(shapes, ({ rows, length, bits, seed }) => {
      const codes = randomCodes(rows * length, bits, seed);
      const words = packRows(codes, length, bits);
      const rowBits = wordsOf(length, bits) * 32;
      const bitAt = (at: number) => (words[at >> 3] >> (at & 7)) & 1;
      for (const [at, code] of codes.entries()) {
        const first = Math.floor(at / length) * rowBits + (at % length) * bits;
        for (let bit = 0; bit < bits; bit++) expect(bitAt(first + bit)).toBe((code >> bit) & 1);
      }
    }),
    { numRuns: 30 },
  );
});

test("three bits cross words as in AutoGPTQ: code 10 has two bits in the first word and one in the second", () => {
  const codes = new Uint8Array(32);
  codes[10] = 0b110;
  codes[21] = 0b101;
  const words = new Uint32Array(packRows(codes, 32, 3).buffer);
  // Code 10: bits 30, 31 and 32. Code 21: bits 63, 64 and 65.
  expect([...words]).toEqual([2 ** 31, 2 ** 31 + 1, 0b10]);
});

test("bytes that are not those of the rows are refused", () => {
  expect(() => unpackRows(new Uint8Array(7), 1, 16, 4)).toThrow("7 bytes of words, expected 8");
});

describe("a transposition", () => {
  test("puts row r, column c at row c, column r, across its blocks", () => {
    const [rows, columns] = [70, 131];
    const codes = randomCodes(rows * columns, 8, 1);
    const turned = transposeCodes(codes, rows, columns);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) expect(turned[c * rows + r]).toBe(codes[r * columns + c]);
    }
    expect([...transposeFloats(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  test("of words reads them from any byte on", () => {
    const bytes = Uint8Array.from({ length: 25 }, (_, i) => i);
    const turned = transposeWords(bytes.subarray(1), 2, 3);
    expect([...turned.subarray(0, 8)]).toEqual([1, 2, 3, 4, 13, 14, 15, 16]);
  });
});
