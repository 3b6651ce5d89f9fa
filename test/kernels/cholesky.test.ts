import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";
import { covariance, inverted } from "./second-moments.js";

describe("the inverse's factor", () => {
  test("is GPTQ's: by way of the factor, the inverse, and its factor", async () => {
    const size = 24;
    const hessian = covariance(size, 60, 1);
    const { factor, damping } = await reference.inverseFactor(hessian, size, 0.01);
    expect(damping).toBe(0.01);
    const inverse = inverted(withDamping(hessian, size, 0.01), size);
    expect(furthest(factor, upperFactor(inverse, size))).toBeLessThan(1e-10);
  });

  test("of a diagonal matrix is the roots of its inverse", async () => {
    const { factor } = await reference.inverseFactor(Float64Array.of(4, 0, 0, 16), 2, 0);
    expect([...factor]).toEqual([0.5, 0, 0, 0.25]);
  });

  test("an input that is always zero gets a diagonal of one and no part in the mean", async () => {
    const { factor } = await reference.inverseFactor(Float64Array.of(4, 0, 0, 0), 2, 0.25);
    expect(factor[0]).toBe(1 / Math.sqrt(4 + 0.25 * 4));
    expect(factor[3]).toBe(1 / Math.sqrt(1 + 0.25 * 4));
  });

  test("damping rises by 0.01 until every pivot is positive", async () => {
    // Eigenvalues 1 ± 1.035: it takes 0.04 of the mean, 1.
    const hessian = Float64Array.of(1, 1.035, 1.035, 1);
    const { factor, damping } = await reference.inverseFactor(hessian, 2, 0);
    expect(damping).toBeCloseTo(0.04, 12);
    expect(factor.every(Number.isFinite)).toBe(true);
    expect([...hessian]).toEqual([1, 1.035, 1.035, 1]);
  });

  test("fewer samples than inputs need no more than the damping asked for", async () => {
    const { damping } = await reference.inverseFactor(covariance(30, 5, 2), 30, 0.01);
    expect(damping).toBe(0.01);
  });

  test.each([
    ["values that are not finite", Float64Array.of(1, Number.NaN, Number.NaN, 1)],
    ["infinity on the diagonal", Float64Array.of(Number.POSITIVE_INFINITY, 0, 0, 1)],
    ["no covariance", Float64Array.of(1, 5, 5, 1)],
  ])("%s: refused with a way out", async (_, hessian) => {
    for (const kernels of [reference, ...nativeKernels.map(({ native }) => native)]) {
      await expect(kernels.inverseFactor(hessian, 2, 0.01)).rejects.toThrow(LuthierError);
      await expect(kernels.solveRight(hessian, 2, 0.01, new Float64Array(2))).rejects.toThrow(LuthierError);
    }
  });

  test("lengths that are no square, and a damping below zero, are refused", async () => {
    await expect(reference.inverseFactor(new Float64Array(5), 2, 0)).rejects.toThrow("no 2 × 2 matrix");
    await expect(reference.inverseFactor(new Float64Array(0), 0, 0)).rejects.toThrow(RangeError);
    await expect(reference.inverseFactor(new Float64Array(4), 2, -1)).rejects.toThrow("a damping of -1");
    await expect(reference.solveRight(new Float64Array(4), 2, 0, new Float64Array(3))).rejects.toThrow(
      "no rows of 2",
    );
  });
});

describe("solving from the right", () => {
  test("is elimination on the normal equations", async () => {
    const [size, rows] = [17, 4];
    const hessian = covariance(size, 40, 3);
    const right = Float64Array.from({ length: rows * size }, (_, i) => Math.sin(i));
    const expected = product(right, inverted(withDamping(hessian, size, 0.001), size), size);
    expect(await reference.solveRight(hessian, size, 0.001, right)).toBe(0.001);
    expect(furthest(right, expected)).toBeLessThan(1e-10);
  });

  test("finds the matrix that made the products", async () => {
    const size = 12;
    const hessian = covariance(size, 30, 4);
    const wanted = Float64Array.from({ length: 3 * size }, (_, i) => Math.cos(i));
    const right = product(wanted, hessian, size);
    await reference.solveRight(hessian, size, 0, right);
    expect(furthest(right, wanted)).toBeLessThan(1e-9);
  });
});

describe.each(nativeKernels)("native, $name, gives the reference's bits", ({ native }) => {
  test("of factors and solutions, for any size", async () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 90, max: 230 }));
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 110 }), seeds, async (columns, rows, seed) => {
        const hessian = covariance(columns, 1 + (seed % 50), seed);
        const [a, b] = await Promise.all(
          [native, reference].map((kernels) => kernels.inverseFactor(hessian, columns, 0.01)),
        );
        expect(a).toEqual(b);
        const right = Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(i * seed));
        const [x, y] = [right.slice(), right.slice()];
        await Promise.all([
          native.solveRight(hessian, columns, 0.01, x),
          reference.solveRight(hessian, columns, 0.01, y),
        ]);
        expect(x).toEqual(y);
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  test("where damping has to rise", async () => {
    // −v vᵀ on a diagonal: not positive definite until the damping is.
    const size = 150;
    const hessian = covariance(size, 300, 5);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) hessian[i * size + j] -= 0.003 * Math.sign(i - 70) * Math.sign(j - 70);
    const [a, b] = await Promise.all(
      [native, reference].map((kernels) => kernels.inverseFactor(hessian, size, 0)),
    );
    expect(b.damping).toBeGreaterThan(0);
    expect(a).toEqual(b);
  });
});

function withDamping(hessian: Float64Array, size: number, damping: number): Float64Array {
  const out = hessian.slice();
  let mean = 0;
  for (let i = 0; i < size; i++) mean += hessian[i * size + i] / size;
  for (let i = 0; i < size; i++) out[i * size + i] += damping * mean;
  return out;
}

/** U of A = UᵀU, by the formula of an entry. */
function upperFactor(a: Float64Array, size: number): Float64Array {
  const u = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = i; j < size; j++) {
      let rest = a[i * size + j];
      for (let k = 0; k < i; k++) rest -= u[k * size + i] * u[k * size + j];
      u[i * size + j] = i === j ? Math.sqrt(rest) : rest / u[i * size + i];
    }
  }
  return u;
}

/** Rows of `left` times a square matrix. */
function product(left: Float64Array, right: Float64Array, size: number): Float64Array {
  return left.map((_, at) => {
    const [row, column] = [Math.floor(at / size), at % size];
    let sum = 0;
    for (let k = 0; k < size; k++) sum += left[row * size + k] * right[k * size + column];
    return sum;
  });
}

function furthest(a: Float64Array, b: Float64Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}
