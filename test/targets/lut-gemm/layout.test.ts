import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { GridScheme } from "../../../src/schemes/scheme.js";
import { lutGemm } from "../../../src/targets/lut-gemm/lut-gemm.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";

const shape = {
  rows: fc.integer({ min: 1, max: 20 }).map((half) => 2 * half),
  columns: fc.constantFrom(64, 192, 320),
  granularity: fc.constantFrom(32, 64, "row" as const),
};

describe("unpack gives back what was packed", () => {
  const schemes: [string, fc.Arbitrary<GridScheme>][] = [
    [
      "int, 1 to 8 bits",
      fc
        .tuple(fc.record({ ...shape, bits: fc.integer({ min: 1, max: 8 }), symmetric: fc.boolean() }), seeds)
        .map((chosen) => randomInt(...chosen)),
    ],
    [
      "trit planes",
      fc
        .tuple(fc.record({ ...shape, planes: fc.integer({ min: 1, max: 8 }) }), seeds)
        .map((chosen) => randomPlanes(...chosen)),
    ],
    [
      "sign planes, with and without an offset",
      fc
        .tuple(fc.record({ ...shape, planes: fc.integer({ min: 1, max: 8 }), offset: fc.boolean() }), seeds)
        .map((chosen) => randomSigns(...chosen)),
    ],
  ];
  test.each(schemes)("%s", (_, scheme) => {
    fc.assert(
      fc.property(scheme, (weight) => {
        expect(lutGemm.unpack(lutGemm.pack(weight, {}))).toEqual(weight);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test("trit planes with an offset", () => {
    const weight = {
      ...randomPlanes({ rows: 4, columns: 64, granularity: 32, planes: 2 }, 1),
      ...{ offset: true as const, offsets: Float32Array.of(0.5, -1, 0, 2, 0.25, 3, -0.125, 1) },
    };
    expect(lutGemm.unpack(lutGemm.pack(weight, {}))).toEqual(weight);
  });
});

test("bit k mod 32 of word [k / 32][plane][output] is the sign; α is [k / group][plane][output]", () => {
  const weight = randomSigns({ rows: 6, columns: 192, granularity: 64, planes: 3, offset: true }, 2);
  const { tensors } = lutGemm.pack(weight, {});
  expect(tensors.bWeight).toMatchObject({ dtype: "U32", shape: [6, 3, 6] });
  expect(tensors.alpha).toMatchObject({ dtype: "F16", shape: [3, 3, 6] });
  expect(tensors.q_bias).toMatchObject({ dtype: "F16", shape: [3, 6] });
  const words = new Uint32Array(tensors.bWeight.bytes.slice().buffer);
  const halves = (name: string) => new Uint16Array(tensors[name].bytes.slice().buffer);
  for (let m = 0; m < 6; m++) {
    for (let k = 0; k < 192; k++) {
      for (let b = 0; b < 3; b++) {
        const bit = (words[Math.floor(k / 32) * 3 * 6 + b * 6 + m] >>> (k % 32)) & 1;
        expect(2 * bit - 1).toBe(weight.codes[b * 6 * 192 + m * 192 + k]);
      }
    }
    for (let g = 0; g < 3; g++) {
      for (let b = 0; b < 3; b++)
        expect(asNumber(halves("alpha")[g * 3 * 6 + b * 6 + m])).toBe(weight.scales[b * 18 + m * 3 + g]);
      expect(asNumber(halves("q_bias")[g * 6 + m])).toBe(weight.offsets?.[m * 3 + g]);
    }
  }
});

test("the first inputs of an output are the low bits of its first word", () => {
  const codes = new Int8Array(2 * 32).fill(-1);
  codes.set([1, -1, 1, 1], 0); // output 0: bits 0, 2, 3
  codes.set([1], 32 + 31); // output 1: bit 31
  const weight = {
    ...randomSigns({ rows: 2, columns: 32, granularity: 32, planes: 1, offset: false }, 1),
    codes,
  };
  expect([...lutGemm.pack(weight, {}).tensors.bWeight.bytes]).toEqual([0b1101, 0, 0, 0, 0, 0, 0, 0x80]);
});

test("bit b of a code is plane b; a trit is two signs, its 0 the signs + −", () => {
  const int = {
    ...randomInt({ rows: 2, columns: 32, granularity: 32, bits: 2, symmetric: true }, 1),
    codes: new Uint8Array(64).fill(0),
  };
  int.codes.set([0, 1, 2, 3]);
  const words = (weight: GridScheme) => [
    ...new Uint32Array(lutGemm.pack(weight, {}).tensors.bWeight.bytes.slice().buffer),
  ];
  expect(words(int)).toEqual([0b1010, 0, 0b1100, 0]);
  const trits = {
    ...randomPlanes({ rows: 2, columns: 32, granularity: 32, planes: 1 }, 1),
    codes: new Int8Array(64).fill(-1),
  };
  trits.codes.set([-1, 0, 1]);
  expect(words(trits)).toEqual([0b110, 0, 0b100, 0]);
});

describe("the kernel is the one with a bias where there is one, or where tiles of 64 do not fit", () => {
  const sizes = { rows: 4, columns: 128, planes: 2 };
  test.each<[string, GridScheme, object]>([
    ["int", randomInt({ ...sizes, granularity: 64, bits: 3, symmetric: true }, 1), { planes: 3, kTile: 32 }],
    ["trits", randomPlanes({ ...sizes, granularity: 64 }, 1), { planes: 4, kTile: 64 }],
    ["trits g32", randomPlanes({ ...sizes, granularity: 32 }, 1), { planes: 4, kTile: 32 }],
    ["signs", randomSigns({ ...sizes, granularity: "row", offset: false }, 1), { planes: 2, kTile: 64 }],
    [
      "signs of 96 inputs",
      randomSigns({ ...sizes, columns: 96, granularity: "row", offset: false }, 1),
      { planes: 2, kTile: 32 },
    ],
    ["with an offset", randomSigns({ ...sizes, granularity: 64, offset: true }, 1), { planes: 2, kTile: 32 }],
  ])("%s", (_, weight, layout) => {
    const packed = lutGemm.pack(weight, {});
    expect(packed.layout).toEqual(layout);
    expect("q_bias" in packed.tensors).toBe(packed.layout.kTile === 32);
  });
});

describe("what does not fit is refused", () => {
  const float = { scheme: "float" } as const;
  const signs = (rows: number, columns: number, granularity: number | "row" | "tensor") =>
    randomSigns({ rows, columns, granularity, planes: 1, offset: false }, 1);

  test.each([
    ["inputs that are no whole words", signs(4, 80, 16), "80 inputs"],
    ["a group that is no whole words", signs(4, 96, 48), "groups of 48"],
    ["an odd number of outputs", signs(5, 64, 64), "5 outputs"],
    ["one scale for the tensor", signs(4, 64, "tensor"), "float32"],
  ])("%s", (_, weight, reason) => {
    expect(lutGemm.refuse(weight, float, {})?.reason).toContain(reason);
    expect(() => lutGemm.pack(weight, {})).toThrow(LuthierError);
  });

  test("INT8 activations", () => {
    const refusal = lutGemm.refuse(signs(4, 64, 64), { scheme: "int8", per: "token" }, {});
    expect(refusal?.reason).toContain("int8");
  });

  test("a single output row is odd too", () => {
    expect(lutGemm.refuse(signs(1, 64, "tensor"), float, {})?.reason).toContain("1 outputs");
  });
});

describe("a damaged pack is an error, not a wrong weight", () => {
  const trits = lutGemm.pack(randomPlanes({ rows: 4, columns: 64, granularity: 64, planes: 1 }, 1), {});
  const int = lutGemm.pack(
    randomInt({ rows: 4, columns: 64, granularity: 64, bits: 3, symmetric: false }, 2),
    {},
  );
  const narrow = lutGemm.pack(
    randomSigns({ rows: 4, columns: 64, granularity: 32, planes: 1, offset: false }, 3),
    {},
  );
  const reference = openKernels({ path: "reference" });
  const withTensor = (packed: PackedGrid, name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const withHalf = (packed: PackedGrid, name: string, at: number, bits: number): PackedGrid => {
    const halves = new Uint16Array(packed.tensors[name].bytes.slice().buffer).fill(bits, at, at + 1);
    return withTensor(packed, name, { bytes: new Uint8Array(halves.buffer) });
  };
  const { alpha: _, ...lacking } = trits.tensors;

  test.each<[string, PackedGrid, RegExp]>([
    ["lacks a tensor", { ...trits, tensors: lacking }, /alpha is missing/],
    ["has a short tensor", withTensor(trits, "bWeight", { bytes: new Uint8Array(8) }), /in 8 bytes/],
    ["has another dtype", withTensor(trits, "bWeight", { dtype: "I32" }), /is I32/],
    ["has another shape", withTensor(int, "q_bias", { shape: [4] }), /is F16 \[4\]/],
    ["has an α that is not finite", withHalf(trits, "alpha", 2, 0x7c00), /alpha holds NaN or infinity/],
    ["has a bias that is not finite", withHalf(int, "q_bias", 0, 0x7e00), /q_bias holds NaN or infinity/],
    ["has a layout without a tile", { ...trits, layout: { planes: 2 } }, /layout is none of lut-gemm/],
    ["has another tile", { ...trits, layout: { planes: 2, kTile: 32 } }, /tiles of 32, its weight 2 and 64/],
    ["has another number of planes", { ...int, layout: { planes: 4, kTile: 32 } }, /4 planes/],
    ["is of a weight that does not fit", { ...trits, weight: { ...trits.weight, rows: 5 } }, /5 outputs/],
  ])("one that %s", (_, packed, message) => {
    for (const read of [() => lutGemm.unpack(packed), () => lutGemm.open(packed, reference)]) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });

  test.each<[string, PackedGrid, RegExp]>([
    [
      "signs that are no trit",
      // Plane 0 all −, plane 1 all +.
      withTensor(trits, "bWeight", {
        bytes: trits.tensors.bWeight.bytes.map((_, i) => (i % 32 < 16 ? 0 : 255)),
      }),
      /signs − \+, which is no trit/,
    ],
    ["halves that differ", withHalf(trits, "alpha", 0, 0x3c00), /no halves of a trit plane's scale/],
    ["an α that is no power of two of the scale", withHalf(int, "alpha", 0, 0x3c00), /is not 2\^-1 of/],
    ["a bias of no zero point", withHalf(int, "q_bias", 1, 0x7bff), /belongs to no zero point/],
    ["a bias where the weight has no offset", withHalf(narrow, "q_bias", 1, 0x3c00), /q_bias is not 0/],
  ])("one with %s", (_, packed, message) => {
    expect(() => lutGemm.unpack(packed)).toThrow(message);
    expect(() => lutGemm.unpack(packed)).toThrow(LuthierError);
  });
});

function asNumber(bits: number): number {
  const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}
