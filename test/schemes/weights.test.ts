import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { relativeError } from "../../src/schemes/relative-error.js";
import type { WeightOutline, WeightScheme } from "../../src/schemes/scheme.js";
import {
  bitsPerWeight,
  dequantize,
  describeWeight,
  outlineOf,
  parseOutline,
  weightFromTensors,
  weightTensors,
} from "../../src/schemes/weights.js";
import { matrix } from "../../src/tensor/matrix.js";
import {
  randomInt,
  randomPlanes,
  randomSigns,
  seeds,
  withFloatZeroPoints,
} from "../targets/random-weights.js";

const int: WeightScheme = {
  ...{ scheme: "int", bits: 2, symmetric: false, rows: 2, columns: 4, group: 2, scaleRows: 2 },
  codes: Uint8Array.of(0, 1, 2, 3, 3, 3, 0, 0),
  scales: Float32Array.of(0.5, 1, 2, 0.25),
  zeroPoints: Uint8Array.of(1, 2, 3, 0),
};

const planes: WeightScheme = {
  ...{ scheme: "planes", alphabet: "trits", planes: 2, rows: 2, columns: 2, group: 2, scaleRows: 1 },
  codes: Int8Array.of(1, -1, 0, 1, /* second plane */ 1, 1, -1, 0),
  scales: Float32Array.of(3, 1),
};

const shape = { rows: fc.integer({ min: 2, max: 9 }), columns: fc.constant(12) };
const granularity = fc.constantFrom(4, "row" as const, "tensor" as const);
const anyScheme: fc.Arbitrary<WeightScheme> = fc.oneof(
  fc
    .tuple(fc.record({ ...shape, granularity, planes: fc.integer({ min: 1, max: 3 }) }), seeds)
    .map((chosen) => randomPlanes(...chosen)),
  fc
    .tuple(
      fc.record({ ...shape, granularity, planes: fc.integer({ min: 1, max: 4 }), offset: fc.boolean() }),
      seeds,
    )
    .map((chosen) => randomSigns(...chosen)),
  fc
    .tuple(
      fc.record({ ...shape, granularity, bits: fc.integer({ min: 1, max: 8 }), symmetric: fc.boolean() }),
      seeds,
    )
    .map(([chosen, seed]) => {
      const weight = randomInt(chosen, seed);
      return weight.symmetric || seed % 2 === 0 ? weight : withFloatZeroPoints(weight, seed);
    }),
);

test("scales that are no float16 values are kept in float32, where the outline says so", () => {
  const wide = { ...int, scaleDtype: "F32", scales: Float32Array.of(0.1, 0.2, 1e-9, 1e9) } as const;
  const tensors = weightTensors(wide);
  expect(tensors.scales).toMatchObject({ dtype: "F32", shape: [2, 2] });
  const outline = parseOutline(JSON.parse(JSON.stringify(outlineOf(wide))), "file");
  expect(weightFromTensors(outline, (name) => tensors[name].bytes, "file")).toEqual(wide);
  expect(describeWeight(wide)).toBe("int2 g2, float32 scales");
  expect(bitsPerWeight(wide)).toBe(bitsPerWeight(int) + (4 * 16) / 8);
});

test("int codes stand for scale · (code − zero point) of their group", () => {
  expect([...dequantize(int).data]).toEqual([-0.5, 0, 0, 1, 0, 0, 0, 0]);
});

test("float zero points are no codes: scale · (code − zero point) all the same", () => {
  const weight: WeightScheme = {
    ...{ scheme: "int", bits: 2, symmetric: false, zeroPointDtype: "F16" },
    ...{ rows: 1, columns: 4, group: 2, scaleRows: 1 },
    codes: Uint8Array.of(0, 3, 1, 2),
    scales: Float32Array.of(0.5, 2),
    zeroPoints: Float32Array.of(1.25, -0.5),
  };
  expect([...dequantize(weight).data]).toEqual([-0.625, 0.875, 3, 5]);
});

test("planes stand for the sum of scale · trit; one scale may serve the tensor", () => {
  expect([...dequantize(planes).data]).toEqual([4, -2, -1, 3]);
});

test("sign planes stand for the sum of scale · sign and the offset of their group", () => {
  const signs: WeightScheme = {
    ...{ scheme: "planes", alphabet: "signs", planes: 2, offset: true, rows: 1, columns: 4, group: 2 },
    scaleRows: 1,
    codes: Int8Array.of(1, -1, -1, 1, /* second plane */ 1, 1, -1, -1),
    scales: Float32Array.of(2, 4, /* second plane */ 0.5, 1),
    offsets: Float32Array.of(0.25, -8),
  };
  expect([...dequantize(signs).data]).toEqual([2.75, -1.25, -13, -5]);
});

test("the relative error is ‖W − Ŵ‖ / ‖W‖", async () => {
  const weight = matrix(2, 2, Float32Array.of(4, -2, 2, 3)); // differs by 3 in one place
  const expected = 3 / Math.sqrt(16 + 4 + 4 + 9);
  expect(await relativeError(weight, planes, openKernels({ path: "reference" }))).toBeCloseTo(expected, 12);
});

test("the addon finds the reference's error, to the last bit", async () => {
  const native = openKernels();
  const reference = openKernels({ path: "reference" });
  await fc.assert(
    fc.asyncProperty(anyScheme, seeds, async (weight, seed) => {
      const original = dequantize(
        randomPlanes({ rows: weight.rows, columns: 12, granularity: "row", planes: 3 }, seed),
      );
      expect(await relativeError(original, weight, native)).toBe(
        await relativeError(original, weight, reference),
      );
    }),
    { numRuns: 100, seed: 1 },
  );
});

test("a scheme's tensors give the scheme back", () => {
  fc.assert(
    fc.property(anyScheme, (weight) => {
      const tensors = weightTensors(weight);
      expect(weightFromTensors(outlineOf(weight), (name) => tensors[name].bytes, "here")).toEqual(weight);
    }),
    { numRuns: 200, seed: 2 },
  );
});

describe("stored bits per weight, scales and zero points included", () => {
  const grid = (group: number, scaleRows = 4096) => ({ rows: 4096, columns: 4096, group, scaleRows });
  const cases: [WeightOutline, string, number][] = [
    [{ scheme: "int", bits: 4, symmetric: true, ...grid(128) }, "int4 symmetric g128", 4 + 16 / 128],
    [{ scheme: "int", bits: 3, symmetric: false, ...grid(64) }, "int3 g64", 3 + 24 / 64],
    [
      { scheme: "int", bits: 4, symmetric: false, zeroPointDtype: "F16", ...grid(64) },
      "int4 with float zero points g64",
      4.5,
    ],
    [{ scheme: "planes", alphabet: "trits", planes: 2, ...grid(128) }, "2 trit planes g128", 3.2 + 32 / 128],
    [{ scheme: "planes", alphabet: "trits", planes: 1, ...grid(4096) }, "ternary row", 1.6 + 16 / 4096],
    [{ scheme: "planes", alphabet: "trits", planes: 1, ...grid(4096, 1) }, "ternary tensor", 1.6],
    [{ scheme: "planes", alphabet: "signs", planes: 3, ...grid(128) }, "3 sign planes g128", 3 + 48 / 128],
    [
      { scheme: "planes", alphabet: "signs", planes: 2, offset: true, ...grid(64) },
      "2 sign planes with offset g64",
      2 + 48 / 64,
    ],
    [{ scheme: "planes", alphabet: "signs", planes: 1, ...grid(4096) }, "binary row", 1 + 16 / 4096],
  ];
  test.each(cases)("%o", (outline, name, bits) => {
    expect(bitsPerWeight(outline)).toBeCloseTo(bits, 4);
    expect(describeWeight(outline)).toBe(name);
  });
});

describe("an outline from a stranger is refused", () => {
  const sound = { ...outlineOf(planes) };
  test.each([
    ["a scheme that is not known", { ...sound, scheme: "values" }],
    ["a key too many", { ...sound, extra: 1 }],
    ["a group that does not divide", { ...sound, group: 3 }],
    ["scales for half the rows", { ...sound, rows: 8, scaleRows: 4 }],
    [
      "more weights than can be counted",
      { ...sound, rows: 2 ** 40, columns: 2 ** 40, group: 2 ** 40, scaleRows: 1 },
    ],
    ["a fraction", { ...sound, rows: 1.5 }],
    ["an alphabet that is not known", { ...sound, alphabet: "bits" }],
    ["an offset that is neither there nor absent", { ...sound, offset: false }],
    [
      "zero points of symmetric codes",
      {
        scheme: "int",
        bits: 4,
        symmetric: true,
        zeroPointDtype: "F16",
        rows: 1,
        columns: 2,
        group: 2,
        scaleRows: 1,
      },
    ],
    ["nothing", null],
  ])("%s", (_, outline) => {
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(LuthierError);
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(/file\.safetensors/);
  });

  test("codes that are too few, and a zero point beyond its bits", () => {
    const tensors = weightTensors(int);
    const read = (name: string, bytes: Uint8Array) =>
      weightFromTensors(outlineOf(int), (each) => (each === name ? bytes : tensors[each].bytes), "file");
    expect(() => read("codes", new Uint8Array(1))).toThrow(LuthierError);
    expect(() => read("scales", new Uint8Array(6))).toThrow(LuthierError);
    expect(() => read("zero_points", Uint8Array.of(1, 2, 4, 0))).toThrow(/zero point/);
  });

  test("signs and offsets that are too few or too many", () => {
    const signs = randomSigns({ rows: 3, columns: 12, granularity: 4, planes: 2, offset: true }, 1);
    const tensors = weightTensors(signs);
    const read = (name: string, bytes: Uint8Array) =>
      weightFromTensors(outlineOf(signs), (each) => (each === name ? bytes : tensors[each].bytes), "file");
    for (const length of [0, 8, 10])
      expect(() => read("codes", new Uint8Array(length))).toThrow(LuthierError);
    for (const length of [0, 16, 20])
      expect(() => read("offsets", new Uint8Array(length))).toThrow(LuthierError);
  });
});
