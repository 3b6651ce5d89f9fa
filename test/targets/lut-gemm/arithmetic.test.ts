import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { GridScheme } from "../../../src/schemes/scheme.js";
import { buildTables } from "../../../src/targets/lut-gemm/arithmetic.js";
import { lutGemm } from "../../../src/targets/lut-gemm/lut-gemm.js";
import { roundToFloat16 } from "../../../src/tensor/float.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { integers, randomInput, randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });

test("an entry is the sum of eight inputs, + where its bit is set", () => {
  // Small whole numbers: no order of sums rounds.
  const x = Float32Array.of(1, 2, 4, 8, 16, 32, 64, 128);
  for (const kTile of [32, 64]) {
    const table = buildTables(x, kTile);
    for (let entry = 0; entry < 256; entry++) expect(table[entry]).toBe(2 * entry - 255);
  }
});

test("the direct entries and the doubled ones round in the order of the kernel", () => {
  // 2048 + 1 is lost in float16, 2048 + 2 is not. Entry 255 comes from entry 63 (x₆, x₇ negative), by 2·x₆, then 2·x₇.
  const x = Float32Array.of(2048, 1, 1, 0, 0, 0, 1, 0);
  const withBias = buildTables(x, 32);
  expect(withBias[63]).toBe(2047); // ((2048 + 1) + 1) … − 1: both ones are lost, the last is not, below 2048
  expect(withBias[255]).toBe(2049 - 1); // 2047 + 2 = 2049, halfway to 2050, goes to the even 2048
  // Without a bias entry 31 is direct, and 2·x₅, 2·x₆, 2·x₇ are added.
  const y = Float32Array.of(2048, 0, 0, 0, 0, 1, 1, 0);
  expect(buildTables(y, 32)[255]).toBe(2048); // (2048 + 1 → 2048) − 1 = 2047, + 2 → 2048
  expect(buildTables(y, 64)[255]).toBe(2050 - 2 + 2); // 2048 − 1 − 1 = 2046, + 2 = 2048, + 2 = 2050
});

describe("an entry with all signs +", () => {
  test("may differ between the kernels, never by more than the sums' rounding", () => {
    const x = randomInput(1, 64, 3).data.map(roundToFloat16);
    for (const kTile of [32, 64]) {
      const tables = buildTables(x, kTile);
      for (let table = 0; table < 8; table++) {
        const own = x.subarray(table * 8, table * 8 + 8);
        const exact = own.reduce((sum, value) => sum + value, 0);
        const most = own.reduce((sum, value) => sum + Math.abs(value), 0);
        expect(Math.abs(tables[table * 256 + 255] - exact)).toBeLessThan(10 * most * 2 ** -11);
      }
    }
  });
});

test("small whole numbers give the exact product", async () => {
  // All sums stay below 2,048, where float16 holds every whole number.
  const next = integers(5);
  for (const offset of [false, true]) {
    const random = randomSigns({ rows: 6, columns: 64, granularity: 64, planes: 2, offset }, 6);
    const weight = {
      ...random,
      scales: random.scales.map((_, i) => (i < 6 ? 2 : 1)),
      ...(offset && { offsets: new Float32Array(6).fill(3) }),
    };
    const input = matrix(
      2,
      64,
      Float32Array.from({ length: 128 }, () => next(5) - 2),
    );
    const out = await lutGemm.open(lutGemm.pack(weight, {}), reference).multiply(input);
    for (let token = 0; token < 2; token++) {
      for (let row = 0; row < 6; row++) {
        let sum = 0;
        for (let k = 0; k < 64; k++) {
          const [first, second] = [weight.codes[row * 64 + k], weight.codes[6 * 64 + row * 64 + k]];
          sum += input.data[token * 64 + k] * (2 * first + second + (offset ? 3 : 0));
        }
        expect(out.data[token * 6 + row]).toBe(sum);
      }
    }
  }
});

test("one thread's steps, by hand", async () => {
  // One plane, all +, α = 1 + 2^-10, bias 2^-10, inputs 1: each table gives 8, a tile's four 32.
  // bias: 2^-10 · 32 = 2^-5; fma: (1 + 2^-10) · 32 + 2^-5 = 32 + 2^-4, a multiple of 2^-5: exact. Two tiles: 64 + 2^-3
  // lies between 64 + 2^-4 · 2 … in steps of 2^-4: exact too.
  const weight: GridScheme = {
    ...randomSigns({ rows: 2, columns: 64, granularity: 32, planes: 1, offset: true }, 1),
    codes: new Int8Array(128).fill(1),
    scales: new Float32Array(4).fill(1 + 2 ** -10),
    offsets: new Float32Array(4).fill(2 ** -10),
  };
  const input = matrix(1, 64, new Float32Array(64).fill(1));
  const out = await lutGemm.open(lutGemm.pack(weight, {}), reference).multiply(input);
  expect([...out.data]).toEqual([64 + 2 ** -3, 64 + 2 ** -3]);
});

test("α times the sum is added by one rounding, as the GPU's fused instruction does", async () => {
  // All signs + and inputs of the sum 33. First plane: 33. Second: 1986 · 2^-22 · 33 = 2^-6 + 2^-21, half a step of
  // float16 at 33 and a little more. Rounded to float16 by itself the product would be 2^-6, and 33 + 2^-6 goes to 33.
  const weight: GridScheme = {
    ...randomSigns({ rows: 2, columns: 32, granularity: 32, planes: 2, offset: false }, 1),
    codes: new Int8Array(128).fill(1),
    scales: Float32Array.of(1, 1, 1986 * 2 ** -22, 1985 * 2 ** -22),
  };
  const input = matrix(1, 32, new Float32Array(32).fill(1).fill(2, 0, 1));
  const out = await lutGemm.open(lutGemm.pack(weight, {}), reference).multiply(input);
  expect([...out.data]).toEqual([33 + 2 ** -5, 33]);
});

test("tiles of K are added in ascending order", async () => {
  // Tile sums 2048, 1, 1: (2048 + 1) + 1 stays 2048. In descending order it would be 2050.
  const weight: GridScheme = {
    ...randomSigns({ rows: 2, columns: 96, granularity: 32, planes: 1, offset: false }, 1),
    codes: new Int8Array(192).fill(1),
    scales: new Float32Array(6).fill(1),
  };
  const input = matrix(1, 96);
  for (const [k, x] of [
    [0, 2048],
    [32, 1],
    [64, 1],
  ])
    input.data[k] = x;
  const out = await lutGemm.open(lutGemm.pack(weight, {}), reference).multiply(input);
  expect([...out.data]).toEqual([2048, 2048]);
});

describe("the result is the product with the weight that the bytes stand for, up to float16", () => {
  const sizes = { rows: 16, columns: 192 };
  const weights: [string, GridScheme][] = [
    ...[1, 3, 4, 8].map((bits): [string, GridScheme] => [
      `int${bits}`,
      randomInt({ ...sizes, granularity: 64, bits, symmetric: false }, bits),
    ]),
    ["int4 symmetric row", randomInt({ ...sizes, granularity: "row", bits: 4, symmetric: true }, 5)],
    ["two trit planes", randomPlanes({ ...sizes, granularity: 64, planes: 2 }, 6)],
    ["two trit planes g32", randomPlanes({ ...sizes, granularity: 32, planes: 2 }, 7)],
    ["three sign planes", randomSigns({ ...sizes, granularity: 64, planes: 3, offset: false }, 8)],
    ["with an offset", randomSigns({ ...sizes, granularity: 32, planes: 3, offset: true }, 9)],
  ];

  test.each(weights)("%s", async (_, weight) => {
    const input = randomInput(2, sizes.columns, 11);
    const packed = lutGemm.pack(weight, {});
    const out = await lutGemm.open(packed, reference).multiply(input);
    const bytes = dequantizedBytes(weight, packed.tensors);
    for (let token = 0; token < 2; token++) {
      for (let row = 0; row < sizes.rows; row++) {
        const { sum, magnitude } = plainDot(bytes, input, token, row);
        // Some 60 roundings of values of the size of Σ|α||x| in the course of 6 tiles, 2^-11 of each.
        expect(Math.abs(out.data[token * sizes.rows + row] - sum)).toBeLessThan(60 * magnitude * 2 ** -11);
      }
    }
  });
});

test("an input that is not finite, one beyond float16, and sums beyond it are named", async () => {
  const weight = randomSigns({ rows: 4, columns: 64, granularity: 32, planes: 2, offset: true }, 5);
  const huge = { ...weight, scales: weight.scales.with(1 * 2, 60000) }; // row 1, first plane and group
  for (const kernels of [reference, openKernels({ threads: 1 })]) {
    const product = (scheme: GridScheme, k: number, value: number) => {
      const input = randomInput(3, 64, 1);
      input.data[64 + k] = value;
      return lutGemm.open(lutGemm.pack(scheme, {}), kernels).multiply(input);
    };
    await expect(product(weight, 7, Number.NaN)).rejects.toThrow("NaN at token 1, input 7");
    await expect(product(weight, 7, Number.NEGATIVE_INFINITY)).rejects.toThrow(
      "-Infinity at token 1, input 7",
    );
    await expect(product(weight, 7, 70000)).rejects.toThrow(
      "values too large for it, up to 70000 at token 1",
    );
    await expect(product(huge, 7, 1)).rejects.toThrow(/values too large for it, up to 3\.\d+ at token 0/);
  }
});

const paths = openKernels().native?.paths() ?? [];

describe.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  ({ path, threads }) => {
    const native = openKernels({ path, threads });

    async function expectEqual(weight: GridScheme, input: Matrix): Promise<void> {
      const packed = lutGemm.pack(weight, {});
      const [a, b] = await Promise.all([
        lutGemm.open(packed, native).multiply(input),
        lutGemm.open(packed, reference).multiply(input),
      ]);
      expect(a.data).toEqual(b.data);
    }

    test("int, trits and signs, both kernels, any number of outputs", async () => {
      const shape = fc.record({
        kind: fc.constantFrom("int", "trits", "signs"),
        bits: fc.integer({ min: 1, max: 8 }),
        rows: fc.integer({ min: 1, max: 50 }).map((half) => 2 * half),
        columns: fc.constantFrom(64, 192),
        granularity: fc.constantFrom(32, 64, "row" as const),
        symmetric: fc.boolean(),
        offset: fc.boolean(),
        tokens: fc.constantFrom(1, 2, 9),
      });
      await fc.assert(
        fc.asyncProperty(shape, seeds, async (chosen, seed) => {
          const weight = {
            int: () => randomInt(chosen, seed),
            trits: () => randomPlanes({ ...chosen, planes: chosen.bits }, seed),
            signs: () => randomSigns({ ...chosen, planes: chosen.bits }, seed),
          }[chosen.kind as "int" | "trits" | "signs"]();
          await expectEqual(weight, randomInput(chosen.tokens, chosen.columns, seed));
        }),
        { numRuns: 40, seed: 7 },
      );
    });

    test("more outputs than a task, more tokens than are held at a time", async () => {
      const weight = randomSigns({ rows: 4200, columns: 64, granularity: 64, planes: 2, offset: false }, 3);
      await expectEqual(weight, randomInput(1, 64, 4));
      const small = randomSigns({ rows: 70, columns: 1088, granularity: 32, planes: 2, offset: true }, 3);
      await expectEqual(small, randomInput(19, 1088, 4));
    });

    test("inputs and scales of all magnitudes, ties, zeros and subnormals", async () => {
      const magnitudes = [2 ** -26, 2 ** -24, 2 ** -20, 2 ** -14, 2 ** -8, 0, -0, 1, 2];
      const value = fc.tuple(fc.constantFrom(...magnitudes), fc.integer({ min: -9, max: 9 }));
      const columns = 64;
      const inputs = fc.array(value, { minLength: columns, maxLength: columns });
      const alphas = fc.array(value, { minLength: 16, maxLength: 16 });
      await fc.assert(
        fc.asyncProperty(inputs, alphas, seeds, fc.boolean(), async (xs, scales, seed, offset) => {
          const of = ([magnitude, factor]: readonly [number, number]) =>
            roundToFloat16(Math.min(magnitude, 2) * factor);
          const random = randomSigns({ rows: 4, columns, granularity: 32, planes: 2, offset }, seed);
          const weight = {
            ...random,
            scales: Float32Array.from(scales, of),
            ...(offset && { offsets: Float32Array.from(scales.slice(8), of) }),
          };
          await expectEqual(
            weight,
            matrix(
              1,
              columns,
              Float32Array.from(xs, ([magnitude, factor]) => Math.min(magnitude, 2) * factor),
            ),
          );
        }),
        { numRuns: 150, seed: 8 },
      );
    });
  },
);

/** `[N, K]` from the tensors by the authors' own formula (`dequantize_cpu` of nQWeight_fp16.cu), and the bias added. */
function dequantizedBytes(weight: GridScheme, tensors: Readonly<Record<string, { bytes: Uint8Array }>>) {
  const { rows, columns, group } = weight;
  const words = new DataView(tensors.bWeight.bytes.slice().buffer);
  const half = (name: string, at: number) => float16(tensors[name].bytes, at);
  const planes = tensors.bWeight.bytes.length / 4 / rows / (columns / 32);
  return (row: number, k: number) => {
    const column = Math.floor(k / group);
    let value = tensors.q_bias ? half("q_bias", column * rows + row) : 0;
    let magnitude = Math.abs(value);
    for (let b = 0; b < planes; b++) {
      const word = words.getUint32(4 * (Math.floor(k / 32) * planes * rows + b * rows + row), true);
      const alpha = half("alpha", column * planes * rows + b * rows + row);
      value += (word >>> (k % 32)) & 1 ? alpha : -alpha;
      magnitude += Math.abs(alpha);
    }
    return { value, magnitude };
  };
}

function plainDot(bytes: ReturnType<typeof dequantizedBytes>, input: Matrix, token: number, row: number) {
  let [sum, magnitude] = [0, 0];
  for (let k = 0; k < input.columns; k++) {
    const x = input.data[token * input.columns + k];
    const weight = bytes(row, k);
    sum += x * weight.value;
    magnitude += Math.abs(x) * weight.magnitude;
  }
  return { sum, magnitude };
}

function float16(bytes: Uint8Array, at: number): number {
  const bits = bytes[2 * at] | (bytes[2 * at + 1] << 8);
  const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}
