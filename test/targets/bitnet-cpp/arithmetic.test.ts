import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { PlanesScheme } from "../../../src/schemes/planes.js";
import { quantizeForTables } from "../../../src/targets/bitnet-cpp/arithmetic.js";
import { bitnetCpp } from "../../../src/targets/bitnet-cpp/bitnet-cpp.js";
import { buildTables } from "../../../src/targets/bitnet-cpp/lookups.js";
import { tl1Run } from "../../../src/targets/bitnet-cpp/tl1.js";
import { tl2Runs } from "../../../src/targets/bitnet-cpp/tl2.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { integers, randomInput, seeds } from "../random-weights.js";
import { anyWeight, ternary } from "./ternary.js";

const kernels = ["i2_s-x86", "i2_s-arm", "tl1", "tl2"] as const;
const reference = openKernels({ path: "reference" });
const native = openKernels({ threads: 1 });
const pack = (weight: PlanesScheme, chosen: object) =>
  bitnetCpp.pack(weight, bitnetCpp.parameters.parse(chosen));

describe("tables", () => {
  const entriesOf = (bytes: Uint8Array, highAt: number, lowAt: number) =>
    Array.from({ length: 16 }, (_, entry) => ((bytes[highAt + entry] << 24) >> 16) | bytes[lowAt + entry]);

  test("of TL1 hold −a−b, −a, −a+b, −b, 0, b, a−b, a, a+b, high bytes first", () => {
    const run = tl1Run(32, 32, { kernel: "tl1", tileRows: 32, tileInputs: 32, stripRows: 32 });
    const bytes = buildTables(
      run,
      Int8Array.from({ length: 32 }, (_, k) => [100, -127][k] ?? 0),
    );
    expect(entriesOf(bytes, 0, 16)).toEqual([
      27,
      -100,
      -227,
      127,
      0,
      -127,
      227,
      100,
      -27,
      ...new Array(7).fill(0),
    ]);
  });

  test("of TL2 hold the sums of three with a positive first weight, low bytes first", () => {
    const [triples] = tl2Runs(32, 288, { kernel: "tl2", tileRows: 32, tileInputs: 96 });
    const [a, b, c] = [100, -127, 7];
    const bytes = buildTables(
      triples,
      Int8Array.from({ length: 288 }, (_, k) => [a, b, c][k] ?? 0),
    );
    expect(entriesOf(bytes, 16, 0)).toEqual([
      ...[0, c, b - c, b, b + c, a - b - c, a - b, a - b + c],
      ...[a - c, a, a + c, a + b - c, a + b, a + b + c, 0, 0],
    ]);
  });
});

describe("INT8 tokens", () => {
  test("are rounded half to even by the largest magnitude in all kernels", () => {
    // 127 / 2 = 63.5 a unit: 1 → 63.5 → 64 (even), 0.5 → 31.75 → 32.
    expect([...quantizeForTables(Float32Array.of(2, 1, -1, 0.5)).codes]).toEqual([127, 64, -64, 32]);
  });

  test("below 1e-5 keep 127 levels for tables, and fewer for I2_S", async () => {
    const weight = { ...ternary({ rows: 32, columns: 384 }, 1), scales: Float32Array.of(1) };
    weight.codes.fill(0);
    weight.codes[0] = 1;
    const input = matrix(1, 384, new Float32Array(384).fill(Math.fround(1e-6)));
    for (const kernel of kernels) {
      const packed = pack(weight, { kernel });
      const codes = bitnetCpp.trace?.(packed, input.data).find(({ name }) => name === "token-codes")?.values;
      expect(codes?.[0], kernel).toBe(kernel.startsWith("tl") ? 127 : 13); // 127 · 1e-6 / 1e-5 = 12.7
    }
  });

  test("too small for a finite reciprocal give zeros", async () => {
    const weight = ternary({ rows: 32, columns: 384 }, 1);
    for (const kernel of kernels) {
      for (const some of [reference, native]) {
        const input = matrix(2, 384, new Float32Array(768).fill(2 ** -140, 384));
        const { data } = await bitnetCpp.open(pack(weight, { kernel }), some).multiply(input);
        // A token of zeros, then one of 2^-140: 127 / 2^-140 is infinite.
        expect([...new Set(data)], kernel).toEqual([0]);
      }
    }
  });

  test("that are not finite are named", async () => {
    const weight = ternary({ rows: 32, columns: 384 }, 1);
    for (const kernel of kernels) {
      for (const some of [reference, native]) {
        for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
          const input = randomInput(2, 384, 1);
          input.data[384 + 3] = value;
          const product = bitnetCpp.open(pack(weight, { kernel }), some).multiply(input);
          await expect(product).rejects.toThrow(`${value} at token 1, input 3`);
        }
      }
    }
  });
});

describe.each(kernels)("%s", (kernel) => {
  test("with both scales 1 the output is the integer sum itself", async () => {
    await fc.assert(
      fc.asyncProperty(anyWeight[kernel], seeds, async ({ shape, chosen }, seed) => {
        const { columns } = shape;
        const weight = { ...ternary(shape, seed), scales: Float32Array.of(1) };
        const next = integers(seed);
        const x = Float32Array.from({ length: columns }, (_, k) => (k === 1 ? 127 : next(255) - 127));
        const sums = Array.from({ length: shape.rows }, (_, row) =>
          x.reduce((sum, code, k) => sum + code * weight.codes[row * columns + k], 0),
        );
        for (const some of [reference, native]) {
          const packed = pack(weight, { kernel, ...chosen });
          expect([...(await bitnetCpp.open(packed, some).multiply(matrix(1, columns, x))).data]).toEqual(
            sums,
          );
        }
      }),
      { numRuns: 30, seed: 4 },
    );
  });

  test("sums that wrap INT16 in the source's AVX2 code are exact", async () => {
    const weight = { ...ternary({ rows: 32, columns: 4608 }, 1), scales: Float32Array.of(1) };
    weight.codes.fill(1);
    for (const some of [reference, native]) {
      for (const sign of [1, -1]) {
        const input = matrix(1, 4608, new Float32Array(4608).fill(127 * sign));
        const { data } = await bitnetCpp.open(pack(weight, { kernel }), some).multiply(input);
        expect([...data]).toEqual(new Array(32).fill(4608 * 127 * sign));
      }
    }
  });

  test("the sum is divided by the token's scale, then multiplied by the weight's, in float32", async () => {
    const weight = { ...ternary({ rows: 32, columns: 384 }, 6), scales: Float32Array.of(0.0314) };
    const input = randomInput(1, 384, 9);
    const { data } = await bitnetCpp.open(pack(weight, { kernel }), reference).multiply(input);
    const largest = input.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const tokenScale = Math.fround(127 / largest);
    for (let row = 0; row < 32; row++) {
      let sum = 0;
      for (let k = 0; k < 384; k++) {
        const scaled = Math.fround(input.data[k] * tokenScale);
        const down = Math.floor(scaled);
        const code = scaled - down === 0.5 ? down + (Math.abs(down) % 2) : Math.round(scaled);
        sum += code * weight.codes[row * 384 + k];
      }
      expect(data[row]).toBe(Math.fround(Math.fround(sum / tokenScale) * weight.scales[0]));
    }
  });
});

const paths = openKernels().native?.paths() ?? [];

describe.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  ({ path, threads }) => {
    const some = openKernels({ path, threads });

    test.each(kernels)("%s", async (kernel) => {
      const tokens = fc.integer({ min: 1, max: 14 });
      await fc.assert(
        fc.asyncProperty(anyWeight[kernel], tokens, seeds, async ({ shape, chosen }, count, seed) => {
          const packed = pack(ternary(shape, seed), { kernel, ...chosen });
          const input = randomInput(count, shape.columns, seed);
          const found = await bitnetCpp.open(packed, some).multiply(input);
          expect(found.data).toEqual((await bitnetCpp.open(packed, reference).multiply(input)).data);
        }),
        { numRuns: 25, seed: 2 },
      );
    });

    test("many rows and more tokens than are held at a time", async () => {
      const packed = pack(ternary({ rows: 1030, columns: 128 }, 5), {});
      for (const count of [1, 131]) {
        const input = randomInput(count, 128, 6);
        const found = await bitnetCpp.open(packed, some).multiply(input);
        expect(found.data).toEqual((await bitnetCpp.open(packed, reference).multiply(input)).data);
      }
    });

    test("inputs of all magnitudes, subnormal ones too", async () => {
      const magnitudes = [2 ** -149, 2 ** -140, 2 ** -126, 2 ** -60, 2 ** -17, 0, 2 ** 60, 2 ** 120];
      const input = randomInput(magnitudes.length, 384, 10);
      for (let i = 0; i < input.data.length; i++) input.data[i] *= magnitudes[Math.floor(i / 384)];
      for (const kernel of kernels) {
        const packed = pack(ternary({ rows: 32, columns: 384 }, 9), { kernel });
        const found = await bitnetCpp.open(packed, some).multiply(input);
        expect(found.data).toEqual((await bitnetCpp.open(packed, reference).multiply(input)).data);
      }
    });
  },
);
