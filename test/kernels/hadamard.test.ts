import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hadamardFactors } from "../../src/kernels/hadamard-matrix.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";

const every = [reference, ...nativeKernels.map(({ native }) => native)];

test("of two values are their sum and difference, over √2", async () => {
  const out = await reference.hadamard(Float32Array.of(3, 1, 5, 7), { columns: 2, size: 2, factors: null });
  expect([...out]).toEqual([4, 2, 12, -2].map((value) => Math.fround(value / Math.SQRT2)));
});

test("is Sylvester's matrix where the size is a power of two", async () => {
  // Its entry is the parity of the bits that both indices have.
  const parity = (bits: number): number => (bits === 0 ? 0 : (bits & 1) ^ parity(bits >> 1));
  const matrix = await matrixOf(16);
  for (let i = 0; i < 16; i++)
    for (let j = 0; j < 16; j++) expect(matrix[i * 16 + j]).toBe(parity(i & j) ? -0.25 : 0.25);
});

test.each([1, 2, 12, 20, 24, 36, 52, 80, 144, 156, 172])(
  "of size %i is orthonormal, its entries ±1/√size",
  async (size) => {
    const matrix = await matrixOf(size);
    for (const entry of matrix) expect(Math.abs(entry)).toBe(Math.fround(1 / Math.sqrt(size)));
    for (let a = 0; a < size; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = 0;
        for (let i = 0; i < size; i++) dot += matrix[i * size + a] * matrix[i * size + b];
        expect(Math.abs(dot - (a === b ? 1 : 0))).toBeLessThan(1e-6);
      }
    }
  },
);

test("is the product with the Kronecker product of its factors, the first core outermost", async () => {
  const [size, next] = [208, integers(1)];
  const { cores, power } = hadamardFactors(size)!;
  expect([cores.map(({ order }) => order), power]).toEqual([[52], 4]);
  const x = Float32Array.from({ length: size }, () => next(2001) / 1000 - 1);
  const sylvester = [1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1];
  const entry = (i: number, j: number) =>
    cores[0].signs[(i >> 2) * 52 + (j >> 2)] * sylvester[(i & 3) * 4 + (j & 3)];
  const out = await reference.hadamard(x, { columns: size, size, factors: null });
  for (let j = 0; j < size; j++) {
    const sum = x.reduce((total, value, i) => total + value * entry(i, j), 0);
    expect(Math.abs(out[j] - sum / Math.sqrt(size))).toBeLessThan(1e-6);
  }
});

test("values are multiplied by their factors first, runs are mixed by themselves", async () => {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const factors = Float32Array.of(1, -1, 2, 0.5);
  const out = await reference.hadamard(values, { columns: 4, size: 2, factors });
  const sums = [1 - 2, 1 + 2, 6 + 2, 6 - 2, 5 - 6, 5 + 6, 14 + 4, 14 - 4];
  expect([...out]).toEqual(sums.map((sum) => Math.fround(sum / Math.SQRT2)));
});

test("spreads one large value over all", async () => {
  const values = new Float32Array(1024);
  values[77] = 64;
  const out = await reference.hadamard(values, { columns: 1024, size: 1024, factors: null });
  expect(out.every((value) => Math.abs(value) === 2)).toBe(true);
});

test.each(every)("what does not fit is refused: $path, $threads threads", async (kernels) => {
  const run = (length: number, columns: number, size: number, factors = 0) =>
    kernels.hadamard(new Float32Array(length), {
      columns,
      size,
      factors: factors > 0 ? new Float32Array(factors) : null,
    });
  await expect(run(6, 6, 6)).rejects.toThrow("no Hadamard matrix of order 6");
  await expect(run(6, 6, 4)).rejects.toThrow("6 values are no whole runs of 4");
  await expect(run(6, 4, 4)).rejects.toThrow("6 values are no rows of 4");
  await expect(run(4, 4, 4, 3)).rejects.toThrow("3 factors");
});

describe.each(nativeKernels)("native, $name", ({ native }) => {
  test("gives the reference's bits, for any size", async () => {
    const sizes = [1, 2, 4, 12, 20, 28, 32, 36, 52, 80, 144, 156, 172, 192, 256, 896, 1056, 1200];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sizes),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        seeds,
        async (size, runs, rows, hasFactors, seed) => {
          const next = integers(seed);
          const draw = () => ((next(2001) - 1000) / 700) * (next(20) === 0 ? 100 : 1);
          const columns = runs * size;
          const values = Float32Array.from({ length: rows * columns }, draw);
          const factors = hasFactors ? Float32Array.from({ length: columns }, draw) : null;
          const task = { columns, size, factors };
          expect(await native.hadamard(values, task)).toEqual(await reference.hadamard(values, task));
        },
      ),
      { numRuns: 40, seed: 1 },
    );
  });

  test("lengths and matrices that do not fit are refused at the border", async () => {
    const { native: addon, path } = native;
    const call =
      (columns: number, size: number, orders: readonly number[], signs: number, values: number) => () =>
        addon!.hadamard(
          path,
          1,
          Uint32Array.of(columns, size),
          Uint32Array.from(orders),
          new Int8Array(signs),
          new Float32Array(0),
          new Float32Array(values),
          new Float32Array(values),
        );
    expect(call(4, 3, [], 0, 4)).toThrow("none of a Hadamard matrix");
    expect(call(12, 12, [], 0, 12)).toThrow("none of a Hadamard matrix");
    expect(call(12, 12, [12], 143, 12)).toThrow("none of a Hadamard matrix");
    expect(call(12, 12, [12, 12], 288, 12)).toThrow("none of a Hadamard matrix");
    expect(call(0, 1, [], 0, 4)).toThrow("none of a Hadamard matrix");
    expect(call(4, 4, [], 0, 6)).toThrow("no whole rows");
  });
});

/** The rows of the identity, rotated. */
async function matrixOf(size: number): Promise<Float32Array> {
  const identity = Float32Array.from({ length: size ** 2 }, (_, at) => (at % (size + 1) === 0 ? 1 : 0));
  return reference.hadamard(identity, { columns: size, size, factors: null });
}
