import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BlockType,
  blockTypeNamed,
  blockTypes,
  readLevels,
  writeLevels,
} from "../../../src/targets/gguf/blocks.js";

function block(type: BlockType, level: (weight: number) => number): Uint8Array {
  const bytes = new Uint8Array(type.bytes);
  writeLevels(
    type,
    Int8Array.from({ length: type.size }, (_, weight) => level(weight)),
    bytes,
  );
  return bytes;
}

describe("tq1_0", () => {
  const type = blockTypeNamed("tq1_0");

  // Known answers for five trits, first most significant; trits 0, 1, 2 are levels −1, 0, 1.
  test.each([
    ["11111", 128],
    ["22222", 255],
    ["00000", 0],
    ["21021", 207],
  ])("trits %s are the byte %i", (trits, byte) => {
    // Byte 0 holds weights 0, 32, 64, 96, 128.
    const levels = new Map([...trits].map((trit, n) => [32 * n, Number(trit) - 1]));
    expect(block(type, (weight) => levels.get(weight) ?? 0)[0]).toBe(byte);
  });

  test("four zero weights of the last bytes are 127, four ones 253", () => {
    expect([...block(type, () => 0).subarray(48, 52)]).toEqual([127, 127, 127, 127]);
    expect([...block(type, () => 1).subarray(48, 52)]).toEqual([253, 253, 253, 253]);
  });

  test("bytes 32 … 47 hold weights 160 + m + 16 n, bytes 48 … 51 weights 240 + m + 4 n", () => {
    const only = (chosen: number) => {
      const bytes = block(type, (weight) => (weight === chosen ? 1 : -1));
      return [...bytes].flatMap((byte, at) => (byte === 0 ? [] : [at]));
    };
    expect(only(160 + 3 + 16 * 4)).toEqual([35]);
    expect(only(240 + 2 + 4 * 3)).toEqual([50]);
    expect(only(5 + 32 * 2)).toEqual([5]);
  });

  test("a byte that no five trits make is not taken", () => {
    const bytes = block(type, () => 0);
    bytes[0] = 1; // decodes to 00000, whose byte is 0
    expect(readLevels(type, bytes, new Int8Array(256))).toBe(false);
  });
});

test("tq2_0 holds weight 128 h + 32 n + m in bits 2n of byte 32 h + m", () => {
  const bytes = block(blockTypeNamed("tq2_0"), (weight) => (weight === 128 + 32 * 3 + 7 ? 1 : -1));
  expect([...bytes].flatMap((byte, at) => (byte ? [[at, byte]] : []))).toEqual([[39, 2 << 6]]);
});

test("a fourth digit is none of tq2_0", () => {
  const bytes = block(blockTypeNamed("tq2_0"), () => 0);
  bytes[10] |= 3;
  expect(readLevels(blockTypeNamed("tq2_0"), bytes, new Int8Array(256))).toBe(false);
});

test("q2_0 has weight 4 b + n in bits 2n of byte b behind the scale, digits 0 … 3 as −1 … 2", () => {
  const bytes = block(blockTypeNamed("q2_0"), (weight) => (weight % 4) - 1);
  expect([...bytes]).toEqual([0, 0, ...new Array(16).fill(0b11_10_01_00)]);
});

test("q4_0 has weight j in the low and j + 16 in the high nibble, 8 as zero", () => {
  const bytes = block(blockTypeNamed("q4_0"), (weight) => (weight === 1 ? -8 : weight === 17 ? 7 : 0));
  expect([...bytes.subarray(2, 5)]).toEqual([0x88, 0xf0, 0x88]);
});

test("q8_0 has the levels as two's complement", () => {
  const bytes = block(blockTypeNamed("q8_0"), (weight) => [-128, -1, 0, 127][weight % 4]);
  expect([...bytes.subarray(2, 6)]).toEqual([0x80, 0xff, 0, 0x7f]);
});

describe.each(blockTypes.map((type) => [type.name, type] as const))("%s", (_, type) => {
  test("every weight has one place", () => {
    const places = type.places.flatMap((byte) => [...byte]).filter((weight) => weight !== 0xffff);
    expect(places.sort((a, b) => a - b)).toEqual(Array.from({ length: type.size }, (_, i) => i));
  });

  test("levels are read back", () => {
    const level = fc.integer({ min: type.lowest, max: type.highest });
    fc.assert(
      fc.property(fc.array(level, { minLength: type.size, maxLength: type.size }), (levels) => {
        const out = new Int8Array(type.size);
        expect(
          readLevels(
            type,
            block(type, (weight) => levels[weight]),
            out,
          ),
        ).toBe(true);
        expect([...out]).toEqual(levels);
      }),
      { numRuns: 30, seed: 1 },
    );
  });
});
