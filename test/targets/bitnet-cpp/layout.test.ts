import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { PlanesScheme } from "../../../src/schemes/planes.js";
import { bitnetCpp } from "../../../src/targets/bitnet-cpp/bitnet-cpp.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";
import { tl1Chain, tl2Chain } from "./published-chains.js";
import { anyWeight, ternary } from "./ternary.js";

const int8 = { scheme: "int8", per: "token" } as const;
const choose = bitnetCpp.parameters.parse.bind(bitnetCpp.parameters);
const pack = (weight: PlanesScheme, chosen: object) => bitnetCpp.pack(weight, choose(chosen));
const bytesOf = (packed: PackedGrid) => packed.tensors.weight.bytes;

describe("unpack gives back what was packed", () => {
  test.each(Object.keys(anyWeight))("%s", (kernel) => {
    fc.assert(
      fc.property(anyWeight[kernel], seeds, ({ shape, chosen }, seed) => {
        const weight = ternary(shape, seed);
        expect(bitnetCpp.unpack(pack(weight, { kernel, ...chosen }))).toEqual(weight);
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});

describe("I2_S", () => {
  const withTrits = (columns: number, trits: Record<number, number>) => {
    const weight = ternary({ rows: 2, columns }, 1);
    weight.codes.fill(0);
    for (const [at, trit] of Object.entries(trits)) weight.codes[Number(at)] = trit;
    return weight;
  };

  test("on x86 the elements 0, 32, 64 and 96 are a byte: 1, 0, −1, 1 are 146", () => {
    const packed = pack(withTrits(256, { 0: 1, 32: 0, 64: -1, 96: 1 }), {});
    expect(bytesOf(packed)[0]).toBe(146);
    expect(bytesOf(packed)[1]).toBe(0b01010101);
  });

  test("on ARM the elements 0, 16, 32 and 48 are a byte", () => {
    const packed = pack(withTrits(64, { 0: 1, 16: 0, 32: -1, 48: 1 }), { kernel: "i2_s-arm" });
    expect(bytesOf(packed)[0]).toBe(146);
  });

  test("the second block follows 32 bytes later, the second row after all blocks of the first", () => {
    const bytes = bytesOf(pack(withTrits(256, { 128: 1, 256: -1 }), {}));
    expect([bytes[32], bytes[64]]).toEqual([0b10010101, 0b00010101]);
  });

  test("the scale follows the codes, in the first of 32 bytes", () => {
    const weight = { ...withTrits(128, {}), scales: Float32Array.of(0.75) };
    const bytes = bytesOf(pack(weight, {}));
    expect(bytes.length).toBe(2 * 32 + 32);
    expect(new DataView(bytes.buffer).getFloat32(64, true)).toBe(0.75);
    expect([...bytes.subarray(68)]).toEqual(new Array(28).fill(0));
  });
});

describe("TL1", () => {
  test("weights (1, −1) have the index 6, the first pair the high nibble", () => {
    const weight = ternary({ rows: 32, columns: 32 }, 1);
    weight.codes.fill(0).set([1, -1]);
    expect(bytesOf(pack(weight, { kernel: "tl1" }))[0]).toBe((6 << 4) | 4);
  });

  test.each([
    { rows: 64, columns: 128, tileRows: 32, tileInputs: 64, stripRows: 32 },
    { rows: 128, columns: 192, tileRows: 64, tileInputs: 96, stripRows: 32 },
    { rows: 128, columns: 128, tileRows: 128, tileInputs: 64, stripRows: 64 },
    { rows: 320, columns: 256, tileRows: 160, tileInputs: 256, stripRows: 32 },
  ])("bytes are those of the published chain: %o", ({ rows, columns, ...chosen }) => {
    const weight = ternary({ rows, columns }, 7);
    const { tileRows, tileInputs, stripRows } = chosen;
    const chain = tl1Chain([...weight.codes], rows, columns, tileRows, tileInputs, stripRows);
    expect([...bytesOf(pack(weight, { kernel: "tl1", ...chosen }))]).toEqual(chain);
  });
});

describe("TL2", () => {
  test("weights (−1, 0, 1) have the magnitude 8 and a sign, (0, 0, 0) neither", () => {
    const weight = ternary({ rows: 32, columns: 288 }, 1);
    weight.codes.fill(0).set([-1, 0, 1]);
    const bytes = bytesOf(pack(weight, { kernel: "tl2" }));
    expect(bytes[0]).toBe(8 << 4);
    const signs = bytes.subarray((32 * 288) / 6);
    expect([signs[0], signs[1]]).toEqual([0, 128]); // bit 15 of the first word
    expect(bytes.reduce((sum, byte) => sum + byte)).toBe(128 + 128);
  });

  test.each([
    { rows: 32, columns: 288, tileRows: 32, tileInputs: 96 },
    { rows: 64, columns: 320, tileRows: 32, tileInputs: 96 },
    { rows: 128, columns: 256, tileRows: 64, tileInputs: 192 },
    { rows: 160, columns: 416, tileRows: 160, tileInputs: 96 },
    { rows: 96, columns: 264, tileRows: 32, tileInputs: 24 },
  ])("bytes are those of the published chain: %o", ({ rows, columns, ...chosen }) => {
    const weight = ternary({ rows, columns }, 8);
    const chain = tl2Chain([...weight.codes], rows, columns, chosen.tileRows, chosen.tileInputs);
    expect([...bytesOf(pack(weight, { kernel: "tl2", ...chosen }))]).toEqual(chain);
  });

  test("takes five bits for three weights, and four for two of the last 256", () => {
    const packed = pack(ternary({ rows: 256, columns: 4096 }, 1), { kernel: "tl2" });
    expect(bytesOf(packed).length).toBe((3840 * 256 * 5) / 24 + (256 * 256) / 4);
  });
});

test("auto takes the published tiles where they fit, and 32 rows and inputs at least", () => {
  const layout = (kernel: string, rows: number, columns: number) =>
    pack(ternary({ rows, columns }, 1), { kernel }).layout;
  expect(layout("tl1", 512, 256)).toEqual({ kernel: "tl1", tileRows: 256, tileInputs: 128, stripRows: 32 });
  expect(layout("tl1", 320, 192)).toEqual({ kernel: "tl1", tileRows: 320, tileInputs: 64, stripRows: 32 });
  expect(layout("tl1", 96, 96)).toEqual({ kernel: "tl1", tileRows: 32, tileInputs: 32, stripRows: 32 });
  expect(layout("tl2", 512, 256)).toEqual({ kernel: "tl2", tileRows: 256, tileInputs: 96 });
  expect(layout("tl2", 32, 264)).toEqual({ kernel: "tl2", tileRows: 32, tileInputs: 168 });
  expect(layout("i2_s-x86", 3, 128)).toEqual({ kernel: "i2_s-x86" });
});

describe("what does not fit is refused", () => {
  const outline = (rows: number, columns: number) =>
    ({
      scheme: "planes",
      alphabet: "trits",
      planes: 1,
      rows,
      columns,
      group: columns,
      scaleRows: 1,
    }) as const;
  const refused = (rows: number, columns: number, chosen: object) =>
    bitnetCpp.refuse(outline(rows, columns), int8, choose(chosen));

  test.each([
    ["x86 blocks of 128", 4, 192, {}, "192 inputs are no whole blocks of 128"],
    ["ARM blocks of 64", 4, 96, { kernel: "i2_s-arm" }, "96 inputs are no whole blocks of 64"],
    ["tiles of a kernel that has none", 64, 128, { tileRows: 32 }, "i2_s-x86 has no tileRows"],
    ["outputs of TL1 that are no 32s", 48, 128, { kernel: "tl1" }, "48 outputs"],
    ["M % BM", 96, 128, { kernel: "tl1", tileRows: 64 }, "96 outputs are no whole tiles of 64"],
    ["BM % bm", 96, 128, { kernel: "tl1", stripRows: 64 }, "96 outputs are no whole tiles of 64"],
    ["inputs of TL1 that are no 32s", 32, 144, { kernel: "tl1" }, "144 inputs are no whole tiles of 32"],
    ["K % BK", 32, 192, { kernel: "tl1", tileInputs: 128 }, "192 inputs are no whole tiles of 128"],
    ["tiles of TL1 that are no 32s", 32, 240, { kernel: "tl1", tileInputs: 40 }, "whole tiles of 40"],
    ["outputs of TL2 that are no 32s", 48, 288, { kernel: "tl2" }, "48 outputs"],
    ["K % BK % 32", 32, 308, { kernel: "tl2", tileInputs: 96 }, "308 inputs leave no multiple of 32"],
    ["tiles of TL2 that are no 24s", 32, 320, { kernel: "tl2", tileInputs: 64 }, "whole tiles of 64"],
    ["steps of 64 in TL2", 64, 288, { kernel: "tl2", stripRows: 64 }, "steps of 32"],
    ["few inputs in TL2", 32, 96, { kernel: "tl2" }, "96 inputs"],
  ])("%s", (_, rows, columns, chosen, reason) => {
    const refusal = refused(rows, columns, chosen);
    expect(refusal?.reason).toContain(reason);
    expect(refusal?.fix).not.toBe("");
  });

  test("float activations", () => {
    expect(bitnetCpp.refuse(outline(4, 128), { scheme: "float" }, choose({}))?.fix).toContain("activation");
  });

  test("integer codes, several planes, planes of signs, group scales", () => {
    const int = randomInt({ rows: 4, columns: 128, granularity: "tensor", bits: 2, symmetric: true }, 1);
    const two = randomPlanes({ rows: 4, columns: 128, granularity: "tensor", planes: 2 }, 1);
    const signs = randomSigns({ rows: 4, columns: 128, granularity: "tensor", planes: 1, offset: false }, 1);
    const groups = randomPlanes({ rows: 4, columns: 128, granularity: 64, planes: 1 }, 1);
    const reasons = [int, two, signs, groups].map(
      (weight) => bitnetCpp.refuse(weight, int8, choose({}))?.reason,
    );
    expect(reasons).toEqual([
      expect.stringContaining("it is int"),
      expect.stringContaining("2 trit planes"),
      expect.stringContaining("planes hold signs"),
      expect.stringContaining("a scale a row or group"),
    ]);
  });

  test("packing what is refused, by an error with a way out", () => {
    expect(() => pack(ternary({ rows: 4, columns: 100 }, 1), {})).toThrow(
      /bitnet-cpp does not take this linear/,
    );
  });

  test("a scale that is not finite", () => {
    const weight = { ...ternary({ rows: 4, columns: 128 }, 1), scales: Float32Array.of(Number.NaN) };
    expect(() => pack(weight, {})).toThrow("its scale is NaN");
  });
});

describe("a damaged pack is an error, not a wrong weight", () => {
  const reference = openKernels({ path: "reference" });
  const kernels = [reference, openKernels({ threads: 1 })];
  const i2s = pack(ternary({ rows: 4, columns: 256 }, 1), {});
  const tl1 = pack(ternary({ rows: 32, columns: 64 }, 1), { kernel: "tl1" });
  const tl2 = pack(ternary({ rows: 32, columns: 320 }, 1), { kernel: "tl2" });

  const withTensor = (packed: PackedGrid, name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const withByte = (packed: PackedGrid, at: number, byte: number) => {
    const bytes = bytesOf(packed).slice();
    bytes[at] = byte;
    return withTensor(packed, "weight", { bytes });
  };
  const zeroTriple = ternary({ rows: 32, columns: 288 }, 1);
  zeroTriple.codes.fill(0);
  const negativeZero = withByte(pack(zeroTriple, { kernel: "tl2" }), (32 * 288) / 6 + 1, 128);

  test.each<[string, PackedGrid, RegExp]>([
    ["lacks its tensor", { ...i2s, tensors: {} }, /weight is missing/],
    ["lacks its scale", { ...tl1, tensors: { weight: tl1.tensors.weight } }, /scale is missing/],
    ["has a short tensor", withTensor(i2s, "weight", { bytes: bytesOf(i2s).subarray(1) }), /in 287 bytes/],
    ["has the code 3", withByte(i2s, 5, 0b00001100), /byte 5 .* the code 3/],
    ["has an infinite scale inside", withByte(withByte(i2s, 256 + 3, 0x7f), 256 + 2, 0x80), /its scale is/],
    ["has an index of TL1 above 8", withByte(tl1, 0, 0x94), /output 0 has the index 9 for the inputs 0 to 1/],
    [
      "has an index of TL2 above 13",
      withByte(tl2, 0, 0xe0),
      /output 0 has the index -?14 for the inputs 0 to 2/,
    ],
    ["has a negative zero", negativeZero, /output 0 has the index 0 for the inputs 0 to 2/],
    ["has no kernel", { ...i2s, layout: {} }, /its layout is none of bitnet-cpp/],
    [
      "has tiles that do not fit",
      { ...tl1, layout: { ...tl1.layout, tileRows: 64 } },
      /no whole tiles of 64/,
    ],
    ["has group scales", { ...i2s, weight: { ...i2s.weight, scaleRows: 4 } }, /one a tensor/],
  ])("one that %s", (_, damaged, message) => {
    const reads = [
      () => bitnetCpp.unpack(damaged),
      () => bitnetCpp.trace?.(damaged, new Float32Array(damaged.weight.columns)),
      ...kernels.map((some) => () => bitnetCpp.open(damaged, some)),
    ];
    for (const read of reads) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });

  test("bytes of any kind are read or refused", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(i2s, tl1, tl2),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (packed, noise) => {
          const bytes = bytesOf(packed).map((byte, at) => (at < noise.length ? noise[at] : byte));
          const damaged = withTensor(packed, "weight", { bytes });
          try {
            const read = bitnetCpp.unpack(damaged) as PlanesScheme;
            expect(read.codes.every((trit) => Math.abs(trit) <= 1)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(LuthierError);
          }
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });
});
