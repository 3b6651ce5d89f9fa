import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import { quantizeToken } from "../../../src/schemes/activation.js";
import type { GridScheme } from "../../../src/schemes/scheme.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import { buildTables } from "../../../src/targets/tellme/arithmetic.js";
import { tellme } from "../../../src/targets/tellme/tellme.js";
import { roundToFloat16 } from "../../../src/tensor/float.js";
import { matrix } from "../../../src/tensor/matrix.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { integers, randomInput, randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const orders = ["first-least-significant", "first-most-significant"] as const;
const defaults = tellme.parameters.parse({});
const int8 = { scheme: "int8", per: "token" } as const;

describe("a word", () => {
  const ternary = (trits: readonly number[]) => ({
    ...randomPlanes({ rows: 1, columns: trits.length, granularity: "tensor", planes: 1 }, 1),
    codes: Int8Array.from(trits),
  });

  const packed = (weight: GridScheme, digitOrder: (typeof orders)[number]) =>
    tellme.pack(weight, { ...defaults, digitOrder }).tensors;

  test("of all zeros is 28 times code 13 in 140 of 144 bits", () => {
    const { bytes } = packed(ternary(new Array(84).fill(0)), "first-least-significant")["plane0.index"];
    const word = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    let expected = 0n;
    for (let t = 0; t < 28; t++) expected |= 13n << BigInt(5 * t);
    expect(word).toBe(expected);
    expect(bytes.length).toBe(18);
  });

  test("holds weights (+1, 0, −1) as 2 + 1·3 + 0·9 = 5, or as 2·9 + 1·3 + 0 = 21", () => {
    const padded = [1, 0, -1];
    const [least, most] = orders.map((order) => packed(ternary(padded), order)["plane0.index"].bytes[0] & 31);
    expect([least, most]).toEqual([5, 21]);
  });

  test("is padded with zero weights, code 13", () => {
    const { bytes } = packed(ternary([1, 1, 1]), "first-least-significant")["plane0.index"];
    expect(((bytes[0] | (bytes[1] << 8)) >> 5) & 31).toBe(13);
  });
});

test("unpack gives back what was packed", () => {
  const shape = fc.record({
    rows: fc.integer({ min: 2, max: 9 }),
    columns: fc.integer({ min: 1, max: 200 }),
    planes: fc.integer({ min: 1, max: 2 }),
  });
  fc.assert(
    fc.property(shape, seeds, fc.constantFrom(...orders), (chosen, seed, digitOrder) => {
      const weight = randomPlanes({ ...chosen, granularity: "tensor" }, seed);
      expect(tellme.unpack(tellme.pack(weight, { ...defaults, digitOrder }))).toEqual(weight);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test("sums are the exact integers of a plain dot product, dequantized to float16", async () => {
  const weight = randomPlanes({ rows: 5, columns: 100, granularity: "tensor", planes: 1 }, 3);
  const input = randomInput(2, 100, 4);
  const out = await tellme.open(tellme.pack(weight, defaults), reference).multiply(input);
  for (let token = 0; token < 2; token++) {
    const { codes, scale } = quantizeToken(input.data.subarray(token * 100, (token + 1) * 100));
    for (let row = 0; row < 5; row++) {
      let sum = 0;
      for (let k = 0; k < 100; k++) sum += codes[k] * weight.codes[row * 100 + k];
      const exact = (sum * weight.scales[0]) / scale;
      expect(Math.abs(out.data[token * 5 + row] - exact)).toBeLessThanOrEqual(Math.abs(exact) * 2 ** -10);
    }
  }
});

test("the table of codes (1, 2, 3) holds all 27 signed sums", () => {
  const table = buildTables(Int8Array.of(1, 2, 3), "first-least-significant");
  // index 5 = digits 2, 1, 0 = weights +1, 0, −1
  expect([table[13], table[26], table[0], table[5]]).toEqual([0, 6, -6, 1 - 3]);
  expect(table.length).toBe(27);
});

test("with both scales 1 the output is the integer sum itself", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 180 }), seeds, async (columns, seed) => {
      const random = randomPlanes({ rows: 7, columns, granularity: "tensor", planes: 1 }, seed);
      const weight = { ...random, scales: Float32Array.of(1) };
      const next = integers(seed);
      const x = Float32Array.from({ length: columns }, (_, k) => (k === 0 ? 127 : next(255) - 127));
      for (const kernels of [reference, openKernels({ threads: 1 })]) {
        const arithmetic = tellme.open(tellme.pack(weight, defaults), kernels);
        const out = await arithmetic.multiply(matrix(1, columns, x));
        for (let row = 0; row < 7; row++) {
          const sum = x.reduce((total, code, k) => total + code * weight.codes[row * columns + k], 0);
          expect(out.data[row]).toBe(roundToFloat16(sum));
        }
      }
    }),
    { numRuns: 40, seed: 5 },
  );
});

test("a token is quantized by its largest magnitude, half to even", () => {
  // 127 / 2 = 63.5 a unit: 1 → 63.5 → 64 (even), −1 → −64, 0.5 → 31.75 → 32.
  expect([...quantizeToken(Float32Array.of(2, 1, -1, 0.5)).codes]).toEqual([127, 64, -64, 32]);
});

const paths = openKernels().native?.paths() ?? [];

test.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  async ({ path, threads }) => {
    const native = openKernels({ path, threads });
    const shape = fc.record({
      rows: fc.integer({ min: 2, max: 70 }),
      columns: fc.integer({ min: 1, max: 300 }),
      planes: fc.integer({ min: 1, max: 2 }),
      tokens: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, seeds, fc.constantFrom(...orders), async (chosen, seed, digitOrder) => {
        const packed = tellme.pack(randomPlanes({ ...chosen, granularity: "tensor" }, seed), {
          ...defaults,
          digitOrder,
        });
        const input = randomInput(chosen.tokens, chosen.columns, seed);
        const found = await tellme.open(packed, native).multiply(input);
        expect(found.data).toEqual((await tellme.open(packed, reference).multiply(input)).data);
      }),
      { numRuns: 40, seed: 2 },
    );
  },
);

describe("what does not fit is refused", () => {
  const planes = randomPlanes({ rows: 4, columns: 64, granularity: 32, planes: 1 }, 1);

  test("group scales", () => {
    expect(tellme.refuse(planes, int8, defaults)?.fix).toContain("group: tensor");
  });

  test("integer codes", () => {
    const weight = randomInt({ rows: 4, columns: 64, granularity: "tensor", bits: 2, symmetric: true }, 1);
    expect(tellme.refuse(weight, int8, defaults)?.reason).toContain("int");
  });

  test("signs, and an offset", () => {
    const shape = { rows: 4, columns: 64, granularity: "tensor", planes: 1 } as const;
    const signs = randomSigns({ ...shape, offset: false }, 1);
    expect(tellme.refuse(signs, int8, defaults)?.reason).toContain("planes hold signs");
    const trits = { ...randomPlanes(shape, 1), offset: true } as const;
    expect(tellme.refuse(trits, int8, defaults)?.reason).toContain("have an offset");
  });

  test("float activations", () => {
    expect(tellme.refuse(planes, { scheme: "float" }, defaults)?.fix).toContain("activation");
  });
});

describe("a damaged pack is an error, not a wrong weight", () => {
  const weight = randomPlanes({ rows: 4, columns: 100, granularity: "tensor", planes: 1 }, 1);
  const packed = tellme.pack(weight, defaults);
  const withTensor = (name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const { "plane0.index": index, ...lacking } = packed.tensors;
  const tooHigh = index.bytes.slice();
  tooHigh[18] |= 31; // index 0 of the second word
  const infinite = new Uint8Array(Float32Array.of(Number.POSITIVE_INFINITY).buffer);

  test.each<[string, PackedGrid, RegExp]>([
    ["lacks a tensor", { ...packed, tensors: lacking }, /plane0\.index is missing/],
    ["has another dtype", withTensor("scales", { dtype: "I32" }), /is I32/],
    ["has another shape", withTensor("plane0.index", { shape: [4, 2, 18] }), /\[4,2,18\]/],
    ["has a short tensor", withTensor("plane0.index", { bytes: index.bytes.subarray(1) }), /in 143 bytes/],
    [
      "has an index above 26",
      withTensor("plane0.index", { bytes: tooHigh }),
      /index 0 of word 1 of plane 0 is 31/,
    ],
    ["has an infinite scale", withTensor("scales", { bytes: infinite }), /NaN or infinity/],
    ["names no digit order", { ...packed, layout: { image: "words", pairedHeadSize: 0 } }, /digitOrder/],
    ["has group scales", { ...packed, weight: { ...packed.weight, scaleRows: 4 } }, /one a tensor/],
  ])("one that %s", (_, damaged, message) => {
    for (const read of [() => tellme.unpack(damaged), () => tellme.open(damaged, reference)]) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });
});

test("an input that is not finite is named", async () => {
  const weight = randomPlanes({ rows: 4, columns: 100, granularity: "tensor", planes: 1 }, 1);
  const packed = tellme.pack(weight, defaults);
  for (const kernels of [reference, openKernels({ threads: 1 })]) {
    const input = randomInput(2, 100, 1);
    input.data[100 + 3] = Number.NEGATIVE_INFINITY;
    await expect(tellme.open(packed, kernels).multiply(input)).rejects.toThrow(
      "-Infinity at token 1, input 3",
    );
  }
});
