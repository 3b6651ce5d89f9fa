import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { GridOutline, GridScheme } from "../../../src/schemes/scheme.js";
import { dequantize, outlineOf } from "../../../src/schemes/weights.js";
import { compressedTensors } from "../../../src/targets/compressed-tensors/compressed-tensors.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import { computedScheme, storedCases } from "../../schemes/stored/computed.js";
import { integers, randomInt, randomPlanes, seeds } from "../random-weights.js";

const kernels = openKernels({ path: "reference" });
const float = { scheme: "float" } as const;
const { pack, unpack, refuse, open } = compressedTensors;

const shape = fc.record({
  rows: fc.constantFrom(32, 96),
  columns: fc.constantFrom(64, 192),
  granularity: fc.constantFrom(16 as const, 64 as const, "row" as const),
});

test("unpacking gives the codes that were packed, field by field", () => {
  const anyInt = fc.record({ bits: fc.integer({ min: 2, max: 8 }), symmetric: fc.boolean() });
  fc.assert(
    fc.property(shape, anyInt, seeds, (grid, kind, seed) => {
      const weight = randomInt({ ...grid, ...kind }, seed);
      expect(unpack(pack(weight, {}))).toEqual(weight);
    }),
    { numRuns: 25 },
  );
});

test("unpacking gives the trits that were packed as two-bit codes", () => {
  fc.assert(
    fc.property(shape, seeds, (grid, seed) => {
      const weight = randomPlanes({ ...grid, planes: 1 }, seed);
      expect(unpack(pack(weight, {}))).toEqual(weight);
    }),
    { numRuns: 10 },
  );
});

test("the words are those of the library", () => {
  for (const { tensors, ...each } of storedCases("compressed-tensors")) {
    const { weight_packed, weight_zero_point, weight_shape } = pack(computedScheme(each), {}).tensors;
    expect({ weight_packed, weight_shape }).toEqual({
      weight_packed: tensors.weight_packed,
      weight_shape: tensors.weight_shape,
    });
    expect(weight_zero_point).toEqual(tensors.weight_zero_point);
  }
});

test("a runtime dequantizes: what is opened is the scheme's float weight", () => {
  const weight = randomInt({ rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: false }, 5);
  expect(open(pack(weight, {}), kernels).weight).toEqual(dequantize(weight));
});

describe("is refused, with the way out:", () => {
  const grid = { rows: 64, columns: 128, granularity: 32 as const };
  const int = (changes: object = {}) =>
    outlineOf(randomInt({ ...grid, bits: 4, symmetric: true, ...changes }, 1));

  test.each<[string, GridOutline, string, string]>([
    ["one bit", int({ bits: 1 }), "1 bit", "2 bits"],
    ["a scale a tensor", int({ granularity: "tensor" }), "one float32 scale", "group: row"],
    ["odd outputs", int({ rows: 40 }), "40 outputs", "float"],
    [
      "a sum of planes",
      outlineOf(randomPlanes({ ...grid, planes: 2 }, 1)),
      "no single plane of trits",
      "absmean",
    ],
  ])("%s", (_, weight, reason, fix) => {
    expect(refuse(weight, float, {})?.reason).toContain(reason);
    expect(refuse(weight, float, {})?.fix).toContain(fix);
  });

  test("quantized activations, whose formula is another", () => {
    expect(refuse(int(), { scheme: "int8", per: "token" }, {})?.reason).toContain("127.5");
  });

  test("by pack too", () => {
    expect(() => pack(randomInt({ ...grid, rows: 40, bits: 4, symmetric: true }, 1), {})).toThrow(
      LuthierError,
    );
  });
});

describe("a damaged pack is refused:", () => {
  const packed = pack(
    randomInt({ rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: false }, 3),
    {},
  );
  const changed = (name: string, change: (bytes: Uint8Array) => unknown): PackedGrid => {
    const tensor = packed.tensors[name];
    const bytes = tensor.bytes.slice();
    change(bytes);
    return { ...packed, tensors: { ...packed.tensors, [name]: { ...tensor, bytes } } };
  };

  test.each<[string, PackedGrid, string]>([
    ["another shape", changed("weight_shape", (bytes) => bytes.set([31], 0)), "weight_shape is not [32, 64]"],
    ["a scale of NaN", changed("weight_scale", (bytes) => bytes.fill(0xff)), "NaN"],
    ["a missing tensor", { ...packed, tensors: {} }, "weight_shape is missing"],
    ["another layout", { ...packed, layout: { format: "dense" } }, "format is dense"],
    [
      "a weight that the format has not",
      { ...packed, weight: { ...packed.weight, bits: 1 } as GridOutline },
      "1 bit",
    ],
  ])("%s", (_, damaged, message) => {
    expect(() => unpack(damaged)).toThrow(message);
    expect(() => open(damaged, kernels)).toThrow(LuthierError);
  });

  test("any bytes give a scheme or a LuthierError", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(packed.tensors)), seeds, (name, seed) => {
        const next = integers(seed);
        const damaged = changed(name, (bytes) => bytes.set(bytes.map(() => next(256))));
        let found: unknown;
        try {
          found = unpack(damaged);
        } catch (error) {
          found = error;
        }
        expect(found instanceof LuthierError || (found as GridScheme).scheme === "int").toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
