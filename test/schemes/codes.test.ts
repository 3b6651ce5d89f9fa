import fc from "fast-check";
import { expect, test } from "vitest";
import {
  packCodes,
  packSigns,
  packTrits,
  unpackCodes,
  unpackSigns,
  unpackTrits,
} from "../../src/schemes/codes.js";

test("codes are packed least significant bit first", () => {
  // 3-bit codes 1, 2, 7, 5: bits 001 010 111 101 from the least significant up = 0b101_111_010_001
  expect([...packCodes(Uint8Array.of(1, 2, 7, 5), 3)]).toEqual([0b11_010_001, 0b0000_101_1]);
});

test("five trits are one base-3 number, the first least significant", () => {
  // digits 2,0,1,1,2 → 2 + 0·3 + 1·9 + 1·27 + 2·81 = 200
  expect([...packTrits(Int8Array.of(1, -1, 0, 0, 1))]).toEqual([200]);
});

test("unpacking codes gives back what was packed, for every width", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.uint8Array({ maxLength: 100 }), (bits, bytes) => {
      const codes = bytes.map((byte) => byte & ((1 << bits) - 1));
      expect(unpackCodes(packCodes(codes, bits), bits, codes.length)).toEqual(codes);
    }),
    { seed: 1 },
  );
});

test("unpacking trits gives back what was packed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 1 }), { maxLength: 100 }), (values) => {
      const trits = Int8Array.from(values);
      expect([...unpackTrits(packTrits(trits), trits.length)]).toEqual(values);
    }),
    { seed: 1 },
  );
});

test("eight signs are one byte, the first least significant, + a set bit", () => {
  expect([...packSigns(Int8Array.of(1, -1, -1, 1, 1, -1, -1, 1, -1, 1))]).toEqual([0b1001_1001, 0b10]);
});

test("unpacking signs gives back what was packed", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(-1, 1), { maxLength: 100 }), (values) => {
      const signs = Int8Array.from(values);
      expect([...unpackSigns(packSigns(signs), signs.length)]).toEqual(values);
    }),
    { seed: 1 },
  );
});

test("a byte that is no five trits is refused", () => {
  expect(() => unpackTrits(Uint8Array.of(0, 243), 10)).toThrow("byte 1 is 243");
});

test("a stream of the wrong length is refused", () => {
  expect(() => unpackCodes(new Uint8Array(3), 4, 8)).toThrow("expected 4");
  expect(() => unpackTrits(new Uint8Array(3), 10)).toThrow("expected 2");
  expect(() => unpackSigns(new Uint8Array(3), 16)).toThrow("expected 2");
});
