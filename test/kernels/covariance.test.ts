import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";

test("integers give the exact products, added to what is there", async () => {
  const [left, right] = [integerMatrix(150, 3, 1), integerMatrix(150, 5, 2)];
  const sums = Float64Array.from({ length: 15 }, (_, i) => i);
  await reference.addCovariance(left, right, sums);
  expect(sums).toEqual(exact(left, right).map((sum, i) => sum + i));
});

test("a matrix with itself gives both triangles", async () => {
  const input = integerMatrix(70, 9, 3);
  const sums = new Float64Array(81);
  await reference.addCovariance(input, input, sums);
  expect(sums).toEqual(exact(input, input));
});

test("after 64 tokens float32 gives way to float64", async () => {
  // 2^24 + 1 is no float32: within a run the ones are lost, in the runs after it they are not.
  const column = (tokens: number) => matrix(tokens, 1, new Float32Array(tokens).fill(1).fill(2 ** 12, 0, 1));
  const sumOf = async (tokens: number) => {
    const sums = new Float64Array(1);
    await reference.addCovariance(column(tokens), column(tokens), sums);
    return sums[0];
  };
  expect(await sumOf(64)).toBe(2 ** 24);
  expect(await sumOf(65)).toBe(2 ** 24 + 1);
  expect(await sumOf(192)).toBe(2 ** 24 + 128);
});

test("it stays near the float64 sums", async () => {
  const [left, right] = [random(1000, 4, 4), random(1000, 4, 5)];
  const sums = new Float64Array(16);
  await reference.addCovariance(left, right, sums);
  // Of a run of n products the error is at most n · 2^-24 of their magnitudes' sum.
  const magnitudes = exact(left, right, Math.abs);
  for (const [i, sum] of exact(left, right).entries())
    expect(Math.abs(sums[i] - sum)).toBeLessThanOrEqual((64 * magnitudes[i]) / 2 ** 24);
});

test.each([reference, ...nativeKernels.map(({ native }) => native)])(
  "matrices that do not fit one another are refused: $path",
  async (kernels) => {
    const add = (left: Matrix, right: Matrix, sums: number) =>
      kernels.addCovariance(left, right, new Float64Array(sums));
    await expect(add(random(3, 2, 1), random(4, 2, 1), 4)).rejects.toThrow("3 tokens");
    await expect(add(random(3, 2, 1), random(3, 2, 1), 5)).rejects.toThrow("2 × 2 sums");
  },
);

describe.each(nativeKernels)("native, $name", ({ native }) => {
  test("gives the reference's bits, for any shape", async () => {
    const size = fc.integer({ min: 1, max: 200 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 330 }),
        size,
        size,
        seeds,
        async (tokens, height, width, seed) => {
          const [left, right] = [random(tokens, height, seed), random(tokens, width, seed + 1)];
          const start = random(height, width, seed + 2).data;
          const [a, b] = [Float64Array.from(start), Float64Array.from(start)];
          await Promise.all([native.addCovariance(left, right, a), reference.addCovariance(left, right, b)]);
          expect(a).toEqual(b);
        },
      ),
      { numRuns: 25, seed: 1 },
    );
  });

  test("gives the reference's bits of a matrix with itself", async () => {
    for (const columns of [1, 7, 193, 400]) {
      const input = random(130, columns, columns);
      const [a, b] = [new Float64Array(columns ** 2), new Float64Array(columns ** 2)];
      await Promise.all([native.addCovariance(input, input, a), reference.addCovariance(input, input, b)]);
      expect(a).toEqual(b);
    }
  });
});

function exact(left: Matrix, right: Matrix, term = (product: number) => product): Float64Array {
  const sums = new Float64Array(left.columns * right.columns);
  for (let i = 0; i < left.columns; i++)
    for (let j = 0; j < right.columns; j++)
      for (let t = 0; t < left.rows; t++)
        sums[i * right.columns + j] += term(
          left.data[t * left.columns + i] * right.data[t * right.columns + j],
        );
  return sums;
}

function integerMatrix(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => next(9) - 4),
  );
}

/** Values of several magnitudes with zeros among them. */
function random(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  const draw = () => ((next(2001) - 1000) / 700) * (next(20) === 0 ? 100 : 1);
  return matrix(rows, columns, Float32Array.from({ length: rows * columns }, draw));
}
