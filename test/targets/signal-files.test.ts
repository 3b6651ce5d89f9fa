import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Signal } from "../../src/targets/signal.js";
import { encodeSignal } from "../../src/targets/signal-files.js";

const text = (signal: Signal, encoding: "mem" | "h") =>
  Buffer.from(encodeSignal(signal, encoding, "sums")).toString();

const tenBits: Signal = {
  name: "sums",
  what: "signed sums",
  format: { kind: "signed", bits: 10 },
  shape: [2, 2],
  values: [-1, 511, -512, 3],
};

const halves: Signal = {
  name: "halves",
  what: "float16",
  format: { kind: "float", bits: 16 },
  shape: [3],
  values: [1, -2, 65504],
};

describe("mem", () => {
  test("has two's complement at the signal's own width, a value a line after a comment", () => {
    expect(text(tenBits, "mem")).toBe("// sums: signed sums; signed 10 bits [2, 2]\n3ff\n1ff\n200\n003\n");
  });

  test("has the IEEE bits of floats", () => {
    expect(text(halves, "mem").split("\n").slice(1, 4)).toEqual(["3c00", "c000", "7bff"]);
  });

  test("has words with their first value in the lowest bits", () => {
    const bytes: Signal = {
      ...tenBits,
      format: { kind: "unsigned", bits: 8 },
      perWord: 2,
      values: [1, 2, 3, 255],
    };
    expect(text(bytes, "mem").split("\n").slice(1, 3)).toEqual(["0201", "ff03"]);
  });
});

test("bin extends the sign to whole bytes, little-endian", () => {
  expect([...encodeSignal(tenBits, "bin", "")]).toEqual([0xff, 0xff, 0xff, 0x01, 0x00, 0xfe, 3, 0]);
});

test("npy is read back by the rules of NumPy's format 1.0", () => {
  const bytes = Buffer.from(encodeSignal(tenBits, "npy", ""));
  expect(bytes.subarray(0, 8).toString("latin1")).toBe("\x93NUMPY\x01\x00");
  const length = bytes.readUInt16LE(8);
  expect((10 + length) % 64).toBe(0);
  const header = bytes.subarray(10, 10 + length).toString("latin1");
  expect(header).toMatch(/^\{'descr': '<i2', 'fortran_order': False, 'shape': \(2, 2\), \} *\n$/);
  expect([0, 1, 2, 3].map((i) => bytes.readInt16LE(10 + length + 2 * i))).toEqual([-1, 511, -512, 3]);
});

test("npy writes a vector's shape as a tuple of one", () => {
  expect(Buffer.from(encodeSignal(halves, "npy", "")).toString("latin1")).toContain(
    "'<f2', 'fortran_order': False, 'shape': (3,)",
  );
});

describe("h", () => {
  test("is a C array of the next whole type", () => {
    expect(text(tenBits, "h")).toContain("static const int16_t sums[4] = {\n    -1, 511, -512, 3,\n};");
  });

  test("has floats as their bits", () => {
    expect(text(halves, "h")).toContain("static const uint16_t sums[3] = {\n    0x3c00, 0xc000, 0x7bff,\n};");
  });

  test("writes the least int32 as C can read it", () => {
    const least: Signal = {
      ...tenBits,
      format: { kind: "signed", bits: 32 },
      shape: [1],
      values: [-(2 ** 31)],
    };
    expect(text(least, "h")).toContain("{\n    INT32_MIN,\n}");
  });
});

test("mem and bin hold the same bits for any signed width", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 32 }),
      fc.array(fc.double({ min: -1, max: 1, noNaN: true })),
      (bits, parts) => {
        const least = -(2 ** (bits - 1));
        const values = parts.map((part) => Math.min(-least - 1, Math.round(part * -least)) + 0); // no −0
        const signal: Signal = {
          ...tenBits,
          format: { kind: "signed", bits },
          shape: [values.length],
          values,
        };
        const bin = Buffer.from(encodeSignal(signal, "bin", ""));
        const size = bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
        const lines = text(signal, "mem").trimEnd().split("\n").slice(1);
        for (const [i, value] of values.entries()) {
          expect(bin.readIntLE(i * size, size)).toBe(value);
          expect(BigInt(`0x${lines[i]}`)).toBe(BigInt.asUintN(bits, BigInt(value)));
        }
      },
    ),
  );
});
