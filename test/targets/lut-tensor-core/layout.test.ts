import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { ActivationScheme } from "../../../src/schemes/scheme.js";
import { reinterpretedZeroPoint, remapped } from "../../../src/targets/lut-tensor-core/layout.js";
import { lutTensorCore } from "../../../src/targets/lut-tensor-core/lut-tensor-core.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { randomInt, randomPlanes, seeds } from "../random-weights.js";

const defaults = lutTensorCore.parameters.parse({});
const float = { scheme: "float" } as const;
const int8 = { scheme: "int8", per: "token" } as const;
const int16 = { scheme: "int16", per: "token" } as const;
const reference = openKernels({ path: "reference" });

const tiles = fc.record({
  tileTokens: fc.constantFrom(1, 2, 8),
  tileOutputs: fc.constantFrom(32, 64, 96),
  tileInputs: fc.constantFrom(4 as const, 8 as const, 16 as const),
});
const linear = fc.record({
  tilesOfOutputs: fc.integer({ min: 1, max: 3 }),
  columns: fc.constantFrom(48, 96, 144),
  granularity: fc.constantFrom(4, 12, 16, 48, "row" as const, "tensor" as const),
});

describe("unpack gives back what was packed", () => {
  test("int, 1 to 4 bits, with and without zero points", () => {
    fc.assert(
      fc.property(
        ...[tiles, linear, fc.integer({ min: 1, max: 4 }), fc.boolean(), seeds],
        (tile, { tilesOfOutputs, ...shape }, bits, symmetric, seed) => {
          const chosen = { ...defaults, ...tile };
          const rows = tilesOfOutputs * tile.tileOutputs;
          const weight = randomInt({ ...shape, rows, bits, symmetric }, seed);
          fc.pre(lutTensorCore.refuse(weight, float, chosen) === null);
          expect(lutTensorCore.unpack(lutTensorCore.pack(weight, chosen))).toEqual(weight);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test("one to three trit planes, for every kind of activation", () => {
    const activations = fc.constantFrom<ActivationScheme>(float, int8, int16);
    fc.assert(
      fc.property(
        ...[tiles, linear, fc.integer({ min: 1, max: 3 }), activations, seeds],
        (tile, { tilesOfOutputs, ...shape }, planes, activation, seed) => {
          const chosen = { ...defaults, ...tile };
          const weight = randomPlanes({ ...shape, rows: tilesOfOutputs * tile.tileOutputs, planes }, seed);
          fc.pre(lutTensorCore.refuse(weight, activation, chosen) === null);
          expect(lutTensorCore.unpack(lutTensorCore.pack(weight, chosen, undefined, activation))).toEqual(
            weight,
          );
        },
      ),
      { numRuns: 40, seed: 2 },
    );
  });
});

describe("known answers", () => {
  test("four bits, z = 8: z' = 1, and q = 13 is s'(11 − 1)", () => {
    expect(reinterpretedZeroPoint(8, 4)).toBe(1);
    expect([0, 3, 15].map((zero) => reinterpretedZeroPoint(zero, 4))).toEqual([-15, -9, 15]);
    const s = 0.75;
    expect((s / 2) * (2 * 13 - 15 - 1)).toBe(s * (13 - 8));
  });

  test("the index 1010 is stored as 1 and 101, and remapping twice changes nothing", () => {
    expect(remapped(0b1010)).toBe(0b1101);
    expect(remapped(0b0010)).toBe(0b0010);
    for (let index = 0; index < 16; index++) expect(remapped(remapped(index))).toBe(index);
  });
});

describe("bytes", () => {
  const one = (rows: number, columns: number, bits: number) => {
    const weight = randomInt({ rows, columns, granularity: "row", bits, symmetric: true }, 1);
    return { ...weight, codes: new Uint8Array(rows * columns) };
  };

  test("an M2N64K4 tile of a plane is 32 bytes, 256 bits of selector", () => {
    const { tensors } = lutTensorCore.pack(one(128, 8, 2), defaults);
    expect(tensors["pass0.selectors"].shape).toEqual([2, 2, 2, 1, 32]);
  });

  test("output 0 lies in the low nibble of its beat, output 1 in the high one, planes follow each other", () => {
    const weight = one(64, 4, 2);
    weight.codes.set([1, 0, 1, 0, 0, 2, 0, 2]); // output 0: plane 0 0101; output 1: plane 1 1010 → 1|101
    const { bytes } = lutTensorCore.pack(weight, defaults).tensors["pass0.selectors"];
    expect(bytes[0]).toBe(0b0101);
    expect(bytes[32]).toBe(0b1101_0000);
    expect(bytes.reduce((sum, byte) => sum + byte)).toBe(0b0101 + 0b1101_0000);
  });

  test.each([4, 8, 16] as const)(
    "lie by tiles, planes, tables and outputs with tiles of %i inputs",
    (tileInputs) => {
      // Walks the pack in the order that README.md draws and takes each selector's weights from the codes.
      const [rows, columns, bits, tileOutputs] = [64, 48, 3, 32];
      const weight = randomInt({ rows, columns, granularity: 16, bits, symmetric: true }, 7);
      const packed = lutTensorCore.pack(weight, { ...defaults, tileOutputs, tileInputs });
      const expected: number[] = [];
      for (let n = 0; n < rows; n += tileOutputs) {
        for (let k = 0; k < columns; k += tileInputs) {
          for (let plane = 0; plane < bits; plane++) {
            for (let input = k; input < k + tileInputs; input += 4) {
              for (let output = n; output < n + tileOutputs; output += 2) {
                const [low, high] = [output, output + 1].map((row) => {
                  const [w0, w1, w2, w3] = [0, 1, 2, 3].map(
                    (j) => (weight.codes[row * columns + input + j] >> plane) & 1,
                  );
                  return 8 * w3 + 4 * (w2 ^ w3) + 2 * (w1 ^ w3) + (w0 ^ w3);
                });
                expected.push(low + 16 * high);
              }
            }
          }
        }
      }
      expect([...packed.tensors["pass0.selectors"].bytes]).toEqual(expected);
    },
  );

  test("scales are halved and lie by tiles and groups, odd zero points beside them", () => {
    const weight = randomInt({ rows: 64, columns: 32, granularity: 16, bits: 4, symmetric: false }, 3);
    const { tensors } = lutTensorCore.pack(weight, { ...defaults, tileOutputs: 32 });
    const scales = new Float32Array(tensors["pass0.scales"].bytes.buffer);
    const zeros = new Int8Array(tensors["pass0.zero_points"].bytes.buffer);
    expect(tensors["pass0.scales"].shape).toEqual([2, 2, 32]);
    // Tile 1, group 0, output 35: place 2 · 32 + 3, grid 35 · 2 + 0.
    expect(scales[67]).toBe(weight.scales[70] / 2);
    expect(zeros[67]).toBe(2 * (weight.zeroPoints?.[70] ?? 0) - 15);
  });
});

test.each([
  [float, {}, "lmma.m2n64k4.fp16int2fp32fp32"],
  [float, { floatInput: "e4m3", tileTokens: 8, tileInputs: 16 }, "lmma.m8n64k16.fp8e4m3int2fp32fp32"],
  [int8, {}, "lmma.m2n64k4.int8int2int32int32"],
  [int16, { tileOutputs: 32 }, "lmma.m2n32k4.int16int2int32int32"],
] as const)("the layout names its instruction: %o %o", (activation, set, instruction) => {
  const weight = randomPlanes({ rows: 64, columns: 64, granularity: 32, planes: 1 }, 1);
  const { layout } = lutTensorCore.pack(weight, { ...defaults, ...set }, undefined, activation);
  expect(layout.instruction).toBe(instruction);
});

describe("what does not fit is refused", () => {
  const outline = (bits: number, rows: number, columns: number, group: number) =>
    ({ scheme: "int", bits, symmetric: true, rows, columns, group, scaleRows: rows }) as const;

  test.each<[string, Parameters<typeof lutTensorCore.refuse>, string, string]>([
    ["more than four bits", [outline(5, 64, 64, 64), float, defaults], "5 bits", "4 bits or fewer"],
    [
      "outputs that are no whole tiles",
      [outline(2, 96, 64, 64), float, defaults],
      "96 outputs",
      "tileOutputs",
    ],
    ["inputs that are no whole tiles", [outline(2, 64, 66, 66), float, defaults], "66 inputs", "keep"],
    ["groups that are no whole tiles", [outline(2, 64, 64, 2), float, defaults], "groups of 2", "multiple"],
    [
      "groups that are no whole runs of a table scale",
      [outline(2, 64, 72, 24), float, { ...defaults, tableGroup: 16 }],
      "runs of 16",
      "tableGroup",
    ],
    [
      "sums that INT32 does not hold",
      [outline(4, 64, 8192, 8192), int16, defaults],
      "exceed the INT32 accumulators",
      "smaller group",
    ],
    [
      "scales that rows share by groups",
      [{ ...outline(2, 64, 64, 32), scaleRows: 1 }, float, defaults],
      "rows share",
      "one scale",
    ],
  ])("%s", (_, [weight, activation, chosen], reason, fix) => {
    const refusal = lutTensorCore.refuse(weight, activation, chosen);
    expect(refusal?.reason).toContain(reason);
    expect(refusal?.fix).toContain(fix);
  });

  test("the longest sums that INT32 holds are taken", () => {
    // 16 · 32767 · 4096 = 2,147,418,112 < 2^31 for symmetric four bits.
    expect(lutTensorCore.refuse(outline(4, 64, 4096, 4096), int16, defaults)).toBeNull();
    expect(lutTensorCore.refuse(outline(4, 64, 4100, 4100), int16, defaults)).not.toBeNull();
  });

  test("packing what is refused, by an error with a way out", () => {
    const weight = randomInt({ rows: 32, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
    expect(() => lutTensorCore.pack(weight, defaults)).toThrow(LuthierError);
  });

  test("a scale that is not finite or cannot be halved", () => {
    const weight = randomInt({ rows: 64, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
    for (const scale of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** -149]) {
      expect(() => lutTensorCore.pack({ ...weight, scales: weight.scales.with(5, scale) }, defaults)).toThrow(
        /half of its scale 5/,
      );
    }
  });
});

describe("a damaged pack is an error, not a wrong weight", () => {
  const trits = lutTensorCore.pack(
    randomPlanes({ rows: 64, columns: 64, granularity: 32, planes: 1 }, 1),
    defaults,
  );
  const zeros = lutTensorCore.pack(
    randomInt({ rows: 64, columns: 64, granularity: 32, bits: 3, symmetric: false }, 2),
    defaults,
  );
  const withTensor = (packed: PackedGrid, name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const withByte = (packed: PackedGrid, name: string, at: number, ...bytes: number[]): PackedGrid => {
    const changed = packed.tensors[name].bytes.slice();
    changed.set(bytes, at);
    return withTensor(packed, name, { bytes: changed });
  };
  const withLayout = (change: Record<string, number | string>): PackedGrid => ({
    ...trits,
    layout: { ...trits.layout, ...change },
  });
  const { "pass0.scales": _, ...lacking } = trits.tensors;

  test.each<[string, PackedGrid, RegExp]>([
    ["lacks a tensor", { ...trits, tensors: lacking }, /pass0\.scales is missing/],
    ["has a short tensor", withTensor(trits, "pass0.selectors", { bytes: new Uint8Array(8) }), /in 8 bytes/],
    ["has another dtype", withTensor(trits, "pass0.scales", { dtype: "I32" }), /is I32/],
    ["has a scale that is NaN", withByte(trits, "pass0.scales", 0, 0, 0, 0xc0, 0x7f), /NaN, infinity/],
    [
      "has a scale whose double is infinite",
      withByte(trits, "pass0.scales", 0, 0, 0, 0x7f, 0x7f),
      /NaN, infinity/,
    ],
    ["has an even zero point", withByte(zeros, "pass0.zero_points", 9, 4), /holds 4, no odd value of 3 bits/],
    ["has a zero point beyond its bits", withByte(zeros, "pass0.zero_points", 9, 9), /holds 9/],
    ["has a layout of nothing", { ...trits, layout: {} }, /its layout is \{\}/],
    ["has an unknown input", withLayout({ input: "int4" }), /layout is none of lut-tensor-core/],
    ["has tiles that do not fit", withLayout({ tileOutputs: 96 }), /64 outputs/],
    ["has other passes", withLayout({ passes: 2 }), /its weight asks for/],
    ["has another instruction", withLayout({ instruction: "lmma.m1n1k1.int1" }), /its weight asks for/],
    ["has a further key", withLayout({ tile: 1 }), /its weight asks for/],
    ["is of a weight that does not fit", { ...trits, weight: { ...trits.weight, rows: 65 } }, /65 outputs/],
  ])("one that %s", (_, packed, message) => {
    for (const read of [() => lutTensorCore.unpack(packed), () => lutTensorCore.open(packed, reference)]) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });

  test("one with a trit that is none", () => {
    const none = withTensor(trits, "pass0.selectors", { bytes: new Uint8Array((64 * 64) / 4) });
    expect(() => lutTensorCore.unpack(none)).toThrow(/plane 0 has the code 0/);
  });
});
