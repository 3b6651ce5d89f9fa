import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { GridOutline, GridScheme } from "../../../src/schemes/scheme.js";
import { dequantize, outlineOf } from "../../../src/schemes/weights.js";
import { gptq } from "../../../src/targets/gptq/gptq.js";
import { type PackedGrid, refusalOf } from "../../../src/targets/target.js";
import { computedScheme, storedCases } from "../../schemes/stored/computed.js";
import { integers, randomInt, randomPlanes, seeds } from "../random-weights.js";

const kernels = openKernels({ path: "reference" });
const float = { scheme: "float" } as const;
const first = { checkpointFormat: "gptq" } as const;
const second = { checkpointFormat: "gptq_v2" } as const;

const shape = fc.record({
  rows: fc.constantFrom(32, 96),
  columns: fc.constantFrom(64, 192),
  granularity: fc.constantFrom(16 as const, 64 as const, "row" as const),
});

test("unpacking gives the codes that were packed, field by field", () => {
  const anyInt = fc.record({ bits: fc.constantFrom(2, 3, 4, 8), symmetric: fc.boolean() });
  fc.assert(
    fc.property(shape, anyInt, seeds, (grid, kind, seed) => {
      const weight = randomInt({ ...grid, ...kind }, seed);
      expect(gptq.unpack(gptq.pack(weight, kind.symmetric ? first : second))).toEqual(weight);
    }),
    { numRuns: 25 },
  );
});

test("unpacking gives the trits that were packed as two-bit codes", () => {
  fc.assert(
    fc.property(shape, seeds, (grid, seed) => {
      const weight = randomPlanes({ ...grid, planes: 1 }, seed);
      expect(gptq.unpack(gptq.pack(weight, first))).toEqual(weight);
    }),
    { numRuns: 10 },
  );
});

test("the bytes are those of AutoGPTQ", () => {
  const [, , threeBits, , fourBits] = storedCases("gptq");
  for (const { tensors, ...each } of [threeBits, fourBits]) {
    expect(gptq.pack(computedScheme(each), first).tensors).toEqual(tensors);
  }
});

test("a runtime dequantizes: what is opened is the scheme's float weight", () => {
  const weight = randomInt({ rows: 32, columns: 64, granularity: 32, bits: 3, symmetric: false }, 5);
  expect(gptq.open(gptq.pack(weight, second), kernels).weight).toEqual(dequantize(weight));
});

describe("is refused, with the way out:", () => {
  const grid = { rows: 64, columns: 128, granularity: 32 as const };
  const int = (changes: object = {}) =>
    outlineOf(randomInt({ ...grid, bits: 4, symmetric: true, ...changes }, 1));

  test.each<[string, GridOutline, string, string]>([
    ["five bits", int({ bits: 5 }), "5 bits", "one of these"],
    ["zero points in version 1", int({ symmetric: false }), "zero points", "gptq_v2"],
    ["a scale a tensor", int({ granularity: "tensor" }), "one float32 scale", "group: row"],
    ["odd groups", int({ columns: 96, granularity: 48 }), "groups have 48", "`row`"],
    ["odd outputs", int({ rows: 40 }), "40 outputs", "float"],
    ["odd inputs", int({ columns: 48, granularity: "row" }), "48 inputs", "float"],
    [
      "a sum of planes",
      outlineOf(randomPlanes({ ...grid, planes: 2 }, 1)),
      "no single plane of trits",
      "absmean",
    ],
  ])("%s", (_, weight, reason, fix) => {
    expect(gptq.refuse(weight, float, first)?.reason).toContain(reason);
    expect(gptq.refuse(weight, float, first)?.fix).toContain(fix);
  });

  test("quantized activations", () => {
    expect(gptq.refuse(int(), { scheme: "int8", per: "token" }, first)?.fix).toContain("activation");
  });

  test("float32 scales that float16 cannot hold", () => {
    const weight = { ...int(), scaleDtype: "F32" } as const;
    expect(refusalOf(gptq, { weight, activation: float }, first)?.reason).toContain("float32 scales");
  });

  test("by pack too", () => {
    const weight = randomInt({ ...grid, bits: 5, symmetric: true }, 1);
    expect(() => gptq.pack(weight, first)).toThrow(LuthierError);
  });

  test("and zero points are taken in version 2", () => {
    expect(gptq.refuse(int({ symmetric: false }), float, second)).toBeNull();
  });
});

describe("a damaged pack is refused:", () => {
  const packed = gptq.pack(
    randomInt({ rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: true }, 3),
    first,
  );
  const changed = (name: string, change: (bytes: Uint8Array) => unknown): PackedGrid => {
    const tensor = packed.tensors[name];
    const bytes = tensor.bytes.slice();
    change(bytes);
    return { ...packed, tensors: { ...packed.tensors, [name]: { ...tensor, bytes } } };
  };

  test.each<[string, PackedGrid, string]>([
    [
      "another group of an input",
      changed("g_idx", (bytes) => bytes.set([0], 4 * 40)),
      "g_idx places input 40",
    ],
    ["a scale of NaN", changed("scales", (bytes) => bytes.fill(0xff)), "NaN"],
    ["another zero point", changed("qzeros", (bytes) => bytes.set([0x11], 0)), "zero point"],
    ["a zero point of all ones", changed("qzeros", (bytes) => bytes.set([0xff], 0)), "zero point 15"],
    ["a missing tensor", { ...packed, tensors: {} }, "g_idx is missing"],
    ["another layout", { ...packed, layout: {} }, "layout"],
    [
      "a weight that the format has not",
      { ...packed, weight: { ...packed.weight, bits: 5 } as GridOutline },
      "5 bits",
    ],
  ])("%s", (_, damaged, message) => {
    expect(() => gptq.unpack(damaged)).toThrow(message);
    expect(() => gptq.open(damaged, kernels)).toThrow(LuthierError);
  });

  test("a code that is no trit", () => {
    const plane = gptq.pack(randomPlanes({ rows: 32, columns: 64, granularity: 32, planes: 1 }, 3), first);
    const qweight = { ...plane.tensors.qweight, bytes: new Uint8Array(plane.tensors.qweight.bytes.length) };
    expect(() => gptq.unpack({ ...plane, tensors: { ...plane.tensors, qweight } })).toThrow("code 0");
  });

  test("any bytes give a scheme or a LuthierError", () => {
    fc.assert(
      fc.property(fc.constantFrom("qweight", "qzeros", "scales", "g_idx"), seeds, (name, seed) => {
        const next = integers(seed);
        const damaged = changed(name, (bytes) => bytes.set(bytes.map(() => next(256))));
        let found: GridScheme | unknown;
        try {
          found = gptq.unpack(damaged);
        } catch (error) {
          found = error;
        }
        expect(found instanceof LuthierError || (found as GridScheme).scheme === "int").toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
