import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { cut, cutOf, type PartsOutline, type PartsScheme, partsOf } from "../../src/schemes/parts.js";
import { relativeError } from "../../src/schemes/relative-error.js";
import { keptOfInput, represent } from "../../src/schemes/represent.js";
import type { ActivationScheme } from "../../src/schemes/scheme.js";
import {
  bitsPerWeight,
  dequantize,
  describeWeight,
  outlineOf,
  parseOutline,
  sameOutline,
  storedBytes,
  weightFromTensors,
  weightTensors,
} from "../../src/schemes/weights.js";
import { matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "../quantizers/random-matrix.js";
import { randomInt, seeds } from "../targets/random-weights.js";
import { anyParts, randomParts } from "./random-parts.js";

const kernels = openKernels();

/** Columns 3, 0 quantized with inputs of 8 bits, 1 and 2 kept. */
const small = partsOf(
  "columns",
  [
    {
      weight: {
        ...{ scheme: "int", bits: 8, symmetric: true, rows: 2, columns: 2, group: 2, scaleRows: 2 },
        codes: Uint8Array.of(129, 130, 126, 128),
        scales: Float32Array.of(1, 0.5),
        zeroPoints: null,
      },
      activation: { scheme: "int8", per: "token" },
    },
    {
      weight: {
        ...{ scheme: "float", rows: 2, columns: 2, dtype: "BF16" },
        values: Float32Array.of(10, 20, 30, 40),
      },
      activation: { scheme: "float" },
    },
  ],
  Uint32Array.of(3, 0, 1, 2),
);

test("each column has the values of its part", () => {
  expect([...dequantize(small).data]).toEqual([2, 10, 20, 1, 0, 30, 40, -1]);
});

test("each weight is that of its part, wherever that lies", () => {
  fc.assert(
    fc.property(anyParts, (weight) => {
      const found = dequantize(weight);
      let first = 0;
      for (const part of weight.parts) {
        const own = part.weight.scheme === "float" ? part.weight.values : dequantize(part.weight).data;
        for (let at = 0; at < own.length; at++) {
          const [row, column] = [Math.floor(at / part.weight.columns), at % part.weight.columns];
          const [n, k] =
            weight.by === "rows"
              ? [weight.indices[first + row], column]
              : [row, weight.indices[first + column]];
          expect(found.data[n * weight.columns + k]).toBe(own[at]);
        }
        first += part.weight[weight.by];
      }
    }),
    { numRuns: 100, seed: 1 },
  );
});

test("the tensors give the scheme back, and are as long as is said", () => {
  fc.assert(
    fc.property(anyParts, (weight) => {
      const tensors = weightTensors(weight);
      const outline = parseOutline(JSON.parse(JSON.stringify(outlineOf(weight))), "here");
      expect(weightFromTensors(outline, (name) => tensors[name].bytes, "here")).toEqual(weight);
      expect(sameOutline(outlineOf(weight), outline)).toBe(true);
      const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
      expect(storedBytes(outline)).toBe(bytes);
    }),
    { numRuns: 200, seed: 2 },
  );
});

test("bits per weight count the indices", () => {
  // 4 codes, 2 scales of 2 bytes, 4 floats of 2 bytes, 4 indices of 4 bytes, for 8 weights.
  expect(bitsPerWeight(small)).toBe(4 + 4 + 8 + 16);
  expect(describeWeight(small)).toBe("columns: 2 int8 symmetric row (int8 per token) + 2 bfloat16 (float)");
  expect(describeWeight(randomParts("rows", [1], 9))).toMatch(/^rows: 4 /);
});

test("its error is that of the weight that it stands for", async () => {
  const original = matrix(2, 4, Float32Array.of(2, 10, 20, 1, 0, 30, 40, 3));
  const expected = 4 / Math.sqrt(4 + 100 + 400 + 1 + 900 + 1600 + 9);
  expect(await relativeError(original, small, kernels)).toBeCloseTo(expected, 12);
});

describe("an input by the parts of columns", () => {
  test("is each part's input in its own representation", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
        seeds,
        async (sizes, seed) => {
          const weight = randomParts("columns", sizes, seed);
          const input = bellShaped(3, weight.columns, seed);
          const found = await represent(input, { scheme: "parts" }, keptOfInput(weight), kernels);
          for (const [{ activation }, columns] of cutOf(weight)) {
            const part = cut(input, "columns", columns);
            const expected = await represent(part, activation as ActivationScheme, null, kernels);
            expect(cut(found, "columns", columns)).toEqual(expected);
          }
        },
      ),
      { numRuns: 50, seed: 3 },
    );
  });

  test("needs to know the columns; parts of rows have none", async () => {
    expect(keptOfInput(randomParts("rows", [1, 2], 1))).toBe(null);
    await expect(represent(matrix(1, 4), { scheme: "parts" }, null, kernels)).rejects.toThrow(RangeError);
  });
});

describe("a plan's parts are those that were made", () => {
  const planned = outlineOf(small) as PartsOutline;
  const int = (columns: number, group = columns) => ({
    weight: { ...planned.parts[0].weight, columns, group },
    activation: planned.parts[0].activation,
  });
  const made = (parts: readonly object[], changes: object = {}) =>
    ({ ...planned, parts, ...changes }) as PartsOutline;

  test("whatever share each has, and whatever dtype is kept", () => {
    const float = { ...planned.parts[1], weight: { ...planned.parts[1].weight, dtype: "F32" } };
    expect(sameOutline(planned, made([int(4)]))).toBe(true);
    expect(sameOutline(planned, made([int(2), float]))).toBe(true);
  });

  test.each([
    ["of another scheme", made([{ ...int(4), weight: { ...int(4).weight, bits: 4 } }])],
    ["with other inputs", made([{ ...int(4), activation: { scheme: "int4", per: "token" } }])],
    ["in other groups", made([int(4, 1)])],
    ["of another shape", made([int(4)], { columns: 8 })],
    ["cut the other way", made([int(4)], { by: "rows" })],
  ])("not %s", (_, outline) => expect(sameOutline(planned, outline)).toBe(false));
});

describe("an outline from a stranger is refused", () => {
  const sound = JSON.parse(JSON.stringify(outlineOf(small)));
  const [first, second] = sound.parts;
  const byRows = JSON.parse(JSON.stringify(outlineOf(randomParts("rows", [1, 2], 1))));
  const int4 = { ...first, activation: { scheme: "int4", per: 4 } };
  test.each([
    ["no parts", { ...sound, parts: [] }],
    ["too many parts", { ...sound, parts: Array(257).fill(first) }],
    ["parts of parts", { ...sound, parts: [{ ...first, weight: sound }] }],
    [
      "vectors",
      {
        ...sound,
        parts: [
          {
            ...first,
            weight: { scheme: "vectors", rows: 2, columns: 4, vector: 2, centroids: 2, blocks: 1 },
          },
        ],
      },
    ],
    ["columns that are in no part", { ...sound, parts: [first] }],
    ["columns too many", { ...sound, parts: [first, second, second] }],
    ["a part with other rows", { ...sound, rows: 3 }],
    ["an empty part", { ...sound, parts: [first, { ...second, weight: { ...second.weight, columns: 0 } }] }],
    [
      "a group that does not divide its part",
      { ...sound, parts: [{ ...first, weight: { ...first.weight, group: 4 } }, second] },
    ],
    ["inputs in groups that do not divide their part", { ...sound, parts: [int4, second] }],
    ["columns without inputs of their own", { ...sound, parts: [{ weight: first.weight }, second] }],
    [
      "rows with inputs of their own",
      {
        ...byRows,
        parts: byRows.parts.map((part: object) => ({ ...part, activation: { scheme: "float" } })),
      },
    ],
    [
      "inputs with a measured scale",
      { ...sound, parts: [{ ...first, activation: { scheme: "int8", per: "tensor", largest: 1 } }, second] },
    ],
    [
      "a dtype that is no float",
      { ...sound, parts: [first, { ...second, weight: { ...second.weight, dtype: "I8" } }] },
    ],
    ["a cut of another kind", { ...sound, by: "blocks" }],
    ["more weights than can be counted", { ...sound, rows: 2 ** 45, parts: [] }],
    ["a key too many", { ...sound, indices: [0, 1] }],
  ])("%s", (_, outline) => {
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(LuthierError);
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(/file\.safetensors/);
  });

  test.each([
    ["an index twice", "indices", [3, 0, 0, 2]],
    ["an index beyond the columns", "indices", [3, 0, 1, 4]],
    ["too few indices", "indices", [3, 0, 1]],
    ["a part's codes cut short", "0.codes", []],
    ["float weights too many", "1.weight", [0, 0, 0]],
  ])("%s", (_, name, words) => {
    const tensors = weightTensors(small);
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    const read = () =>
      weightFromTensors(outlineOf(small), (each) => (each === name ? bytes : tensors[each].bytes), "file");
    expect(read).toThrow(LuthierError);
  });
});

test("any bytes in a file's place give a scheme or a refusal", () => {
  fc.assert(
    fc.property(anyParts, fc.uint8Array({ maxLength: 64 }), fc.nat(), (weight, bytes, which) => {
      const tensors = weightTensors(weight);
      const names = Object.keys(tensors);
      const damaged = names[which % names.length];
      const read = (): PartsScheme =>
        weightFromTensors(
          outlineOf(weight),
          (name) => (name === damaged ? bytes : tensors[name].bytes),
          "file",
        ) as PartsScheme;
      try {
        expect(dequantize(read()).data).toHaveLength(weight.rows * weight.columns);
      } catch (error) {
        expect(error).toBeInstanceOf(LuthierError);
      }
    }),
    { numRuns: 200, seed: 4 },
  );
});

test("plain int8 is parts of one part", () => {
  const weight = randomInt({ rows: 3, columns: 8, granularity: "row", bits: 8, symmetric: true }, 1);
  const one = partsOf("rows", [{ weight }], Uint32Array.of(0, 1, 2));
  expect(dequantize(one)).toEqual(dequantize(weight));
});
