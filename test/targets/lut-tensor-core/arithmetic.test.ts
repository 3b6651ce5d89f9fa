import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { ActivationScheme, GridScheme } from "../../../src/schemes/scheme.js";
import { dequantize } from "../../../src/schemes/weights.js";
import type { Layout } from "../../../src/targets/lut-tensor-core/layout.js";
import { lutTensorCore } from "../../../src/targets/lut-tensor-core/lut-tensor-core.js";
import { buildTables } from "../../../src/targets/lut-tensor-core/tables.js";
import { roundToFloat16 } from "../../../src/tensor/float.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const defaults = lutTensorCore.parameters.parse({});
const float = { scheme: "float" } as const;
const int8 = { scheme: "int8", per: "token" } as const;
const int16 = { scheme: "int16", per: "token" } as const;

const absmax: Layout = {
  ...{ instruction: "", bits: 2, passes: 1, tileTokens: 2, tileOutputs: 64, tileInputs: 4 },
  input: "float16",
  tableScale: "absmax",
  tableGroup: 4,
};

describe("tables", () => {
  test("entry 0b0101 of A, B, C, D is A − B + C − D, and the pattern 1010 is its negation", () => {
    // Facts of the paper's worked example; A … D = 8, 4, 2, 1 tell the signs apart.
    const { sums } = buildTables(Float32Array.of(8, 4, 2, 1), 4, absmax);
    expect([...(sums ?? [])]).toEqual([-15, 1, -7, 9, -11, 5, -3, 13]);
    expect(sums?.[0b101]).toBe(8 - 4 + 2 - 1);
  });

  test("of (1, −0.5, 2, 0.25) are INT8 by 3.75 / 127", () => {
    // Entries −2.75 −0.75 −3.75 −1.75 1.25 3.25 0.25 2.25, as T-MAC's known answer has them.
    const { entries, scales, inputSums } = buildTables(Float32Array.of(1, -0.5, 2, 0.25), 4, absmax);
    expect([...entries]).toEqual([-93, -25, -127, -59, 42, 110, 8, 76]);
    expect(scales?.[0]).toBe(Math.fround(3.75 / 127));
    expect([...inputSums]).toEqual([2.75]);
  });

  test.each([
    [127, 1],
    [127.0625, 2],
    [1, 2 ** -6],
    [63.5, 0.5],
    [2 ** -24, 2 ** -30],
    [0, 0],
  ])("by a power of two of a largest sum of %d have the unit %d", (most, unit) => {
    const { scales } = buildTables(Float32Array.of(most, 0, 0, 0), 4, {
      ...absmax,
      tableScale: "power-of-two",
    });
    expect(scales?.[0]).toBe(unit);
  });

  test("that share a scale take the largest sum of all of them", () => {
    const { scales, entries } = buildTables(Float32Array.of(1, 0, 0, 0, 127, 0, 0, 0), 8, {
      ...absmax,
      tableGroup: 8,
    });
    expect([...(scales ?? [])]).toEqual([1]);
    expect([entries[1], entries[8 + 1]]).toEqual([1, 127]);
  });

  test.each([
    ["float16", 1 + 2 ** -11, 1],
    ["e4m3", 17, 16],
    ["e4m3", 1000, 448],
    ["e5m2", 9, 8],
    ["e5m2", 1e5, 57344],
  ] as const)("as %s take %d for %d", (input, value, rounded) => {
    const { inputs } = buildTables(Float32Array.of(value, 0, 0, 0), 4, { ...absmax, input });
    expect(inputs[0]).toBe(rounded);
  });
});

describe("integer inputs give the exact integer product", () => {
  const shape = fc.record({
    bits: fc.integer({ min: 1, max: 4 }),
    symmetric: fc.boolean(),
    granularity: fc.constantFrom(8, 12, 24, "row" as const, "tensor" as const),
  });
  test.each([int8, int16])("$scheme", async (activation) => {
    await fc.assert(
      fc.asyncProperty(shape, seeds, async (chosen, seed) => {
        // One scale of 1 and a token whose codes are its values: y = Σ (q − z) · x, twice halved and doubled.
        const random = randomInt({ ...chosen, rows: 32, columns: 48 }, seed);
        const weight = { ...random, scales: random.scales.map(() => 1) };
        const largest = activation.scheme === "int8" ? 127 : 32767;
        const input = randomInput(1, 48, seed);
        for (let i = 0; i < 48; i++) input.data[i] = Math.round(input.data[i] * 30);
        input.data[0] = largest;
        const w = dequantize(weight);
        const packed = lutTensorCore.pack(weight, { ...defaults, tileOutputs: 32 }, undefined, activation);
        const out = await lutTensorCore.open(packed, reference).multiply(input);
        for (let row = 0; row < 32; row++) {
          let sum = 0;
          for (let k = 0; k < 48; k++) sum += input.data[k] * w.data[row * 48 + k];
          expect(out.data[row]).toBe(sum);
        }
      }),
      { numRuns: 25, seed: 1 },
    );
  });
});

describe("a float product is the dequantized one, up to the tables' rounding", () => {
  const weights: GridScheme[] = [1, 2, 3, 4].flatMap((bits) =>
    [true, false].map((symmetric) =>
      randomInt({ rows: 64, columns: 96, granularity: 24, bits, symmetric }, bits),
    ),
  );
  weights.push(randomPlanes({ rows: 64, columns: 96, granularity: "tensor", planes: 1 }, 5));
  weights.push(randomPlanes({ rows: 64, columns: 96, granularity: 48, planes: 2 }, 6));
  test.each(weights.map((weight, i) => [i, weight] as const))("weight %i", async (i, weight) => {
    for (const tableScale of ["absmax", "power-of-two"] as const) {
      const chosen = { ...defaults, tableScale, tableGroup: i % 2 ? 4 : 8 } as const;
      const input = randomInput(2, 96, 40 + i);
      const out = await lutTensorCore.open(lutTensorCore.pack(weight, chosen), reference).multiply(input);
      const { expected, bound } = exactProduct(weight, input, tableScale === "absmax" ? 1 : 2);
      for (const [at, y] of out.data.entries()) {
        expect(Math.abs(y - expected[at])).toBeLessThanOrEqual(bound[at]);
      }
    }
  });

  test("with tables that INT8 holds exactly it is exact", async () => {
    // Every table's largest sum is 127 or 0, so its unit is 1.
    const weight = randomInt({ rows: 64, columns: 32, granularity: 16, bits: 4, symmetric: false }, 3);
    const unit = { ...weight, scales: weight.scales.map(() => 1) };
    const x = Float32Array.from({ length: 32 }, (_, k) => [100, -20, 5, -2][k % 4]);
    const out = await lutTensorCore
      .open(lutTensorCore.pack(unit, defaults), reference)
      .multiply(matrix(1, 32, x));
    const w = dequantize(unit);
    const expected = Array.from({ length: 64 }, (_, n) =>
      x.reduce((sum, value, k) => sum + value * w.data[n * 32 + k], 0),
    );
    expect([...out.data]).toEqual(expected);
  });
});

test("an input that is not finite is named", async () => {
  const weight = randomPlanes({ rows: 64, columns: 64, granularity: 32, planes: 1 }, 5);
  for (const activation of [float, int8, int16]) {
    for (const kernels of [reference, openKernels({ threads: 1 })]) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const input = randomInput(3, 64, 1);
        input.data[64 + 7] = value;
        const product = lutTensorCore
          .open(lutTensorCore.pack(weight, defaults, undefined, activation), kernels)
          .multiply(input);
        await expect(product).rejects.toThrow(`${value} at token 1, input 7`);
      }
    }
  }
});

test("an input beyond float16 is an error, one beyond float8 saturates", async () => {
  const weight = randomPlanes({ rows: 64, columns: 64, granularity: 32, planes: 1 }, 5);
  const input = randomInput(1, 64, 1);
  input.data[3] = 70000;
  for (const kernels of [reference, openKernels({ threads: 1 })]) {
    const open = (floatInput: "float16" | "e4m3") =>
      lutTensorCore.open(lutTensorCore.pack(weight, { ...defaults, floatInput }), kernels);
    await expect(open("float16").multiply(input)).rejects.toThrow("values too large for it, up to 70000");
    expect((await open("e4m3").multiply(input)).data.every(Number.isFinite)).toBe(true);
  }
});

const paths = openKernels().native?.paths() ?? [];

describe.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  ({ path, threads }) => {
    const native = openKernels({ path, threads });
    const layouts = fc.record({
      floatInput: fc.constantFrom("float16" as const, "e4m3" as const, "e5m2" as const),
      tileTokens: fc.constant(2),
      tileOutputs: fc.constantFrom(32, 64, 96, 128),
      tileInputs: fc.constantFrom(4 as const, 8 as const, 16 as const),
      tableScale: fc.constantFrom("absmax" as const, "power-of-two" as const),
      tableGroup: fc.constantFrom(4 as const, 8 as const, 16 as const, 32 as const),
    });
    const linear = fc.record({
      bits: fc.integer({ min: 1, max: 4 }),
      planes: fc.integer({ min: 0, max: 2 }), // 0: integer codes
      symmetric: fc.boolean(),
      tiles: fc.integer({ min: 1, max: 2 }),
      columns: fc.constantFrom(32, 96, 240),
      granularity: fc.constantFrom("row" as const, "tensor" as const, 4, 12, 16, 48),
    });
    test("over layouts, weights and inputs", async () => {
      await fc.assert(
        fc.asyncProperty(
          layouts,
          linear,
          fc.constantFrom<ActivationScheme>(float, float, int8, int16),
          fc.integer({ min: 1, max: 6 }),
          seeds,
          async (chosen, { tiles, ...shape }, activation, tokens, seed) => {
            fc.pre(typeof shape.granularity === "string" || shape.columns % shape.granularity === 0);
            const rows = tiles * chosen.tileOutputs;
            const weight =
              shape.planes === 0
                ? randomInt({ ...shape, rows }, seed)
                : randomPlanes({ ...shape, rows }, seed);
            fc.pre(lutTensorCore.refuse(weight, activation, chosen) === null);
            const packed = lutTensorCore.pack(weight, chosen, undefined, activation);
            const input = randomInput(tokens, shape.columns, seed);
            for (let i = 0; i < input.data.length; i++)
              if (i % 7 === 0) input.data[i] *= 2 ** ((i % 30) - 16);
            const found = await lutTensorCore.open(packed, native).multiply(input);
            expect(found.data).toEqual((await lutTensorCore.open(packed, reference).multiply(input)).data);
          },
        ),
        { numRuns: 150, seed: 1 },
      );
    });

    test("more tokens than are held at a time, zeros among them", async () => {
      const packed = lutTensorCore.pack(
        randomPlanes({ rows: 64, columns: 64, granularity: 32, planes: 2 }, 9),
        defaults,
      );
      const input = randomInput(131, 64, 10);
      input.data.fill(0, 64, 128);
      const found = await lutTensorCore.open(packed, native).multiply(input);
      expect(found.data).toEqual((await lutTensorCore.open(packed, reference).multiply(input)).data);
    });
  },
);

/**
 * Round-then-dot in float64, and how far table rounding can lead from it: half a unit a lookup, where a unit is at most
 * Σ|x| of four inputs over 127 (twice that as a power of two), Σ 2^p planes, K / 4 tables, the largest s'.
 */
function exactProduct(weight: GridScheme, input: Matrix, coarseness: number) {
  const w = dequantize(weight);
  const bits = weight.scheme === "int" ? weight.bits : 2;
  const passes = weight.scheme === "int" ? 1 : weight.planes;
  const largestScale = Math.max(...weight.scales) / 2;
  const expected: number[] = [];
  const bound: number[] = [];
  for (let token = 0; token < input.rows; token++) {
    const x = Array.from(
      input.data.subarray(token * input.columns, (token + 1) * input.columns),
      roundToFloat16,
    );
    const unit = (coarseness * 4 * Math.max(...x.map(Math.abs))) / 127;
    for (let row = 0; row < w.rows; row++) {
      expected.push(x.reduce((sum, value, k) => sum + value * w.data[row * w.columns + k], 0));
      bound.push(passes * largestScale * unit * 0.5 * (w.columns / 4) * (2 ** bits - 1) + 1e-3);
    }
  }
  return { expected, bound };
}
