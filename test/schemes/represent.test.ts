import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { represent } from "../../src/schemes/represent.js";
import { matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "../quantizers/random-matrix.js";

const kernels = openKernels();

test("an input as INT16 is nearer to itself than as INT8, each within half a step of its largest", async () => {
  const input = matrix(2, 3, Float32Array.of(0.3, -1, 0.77, 20, 0.01, -3));
  for (const [scheme, steps] of [["int8", 127] as const, ["int16", 32767] as const]) {
    const found = (await represent(input, { scheme, per: "token" }, null, kernels)).data;
    for (const [i, value] of input.data.entries()) {
      const half = (i < 3 ? 1 : 20) / steps / 2;
      expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(half * 1.001);
    }
  }
});

test("INT6 a group of 128 is FlexQ's formula: x / s to the nearest integer, s = max|x| / 31", async () => {
  const input = bellShaped(3, 256, 1);
  const found = await represent(input, { scheme: "int6", per: 128 }, null, kernels);
  for (let first = 0; first < input.data.length; first += 128) {
    const group = [...input.data.subarray(first, first + 128)];
    const step = Math.max(...group.map(Math.abs)) / 31;
    for (const [i, x] of group.entries())
      expect(Math.abs(found.data[first + i] - Math.round(x / step) * step)).toBeLessThan(step * 1e-4);
  }
});

test("an outlier costs its own group precision and no other", async () => {
  const input = matrix(1, 4, Float32Array.of(100, 1, 0.3, -0.4));
  const perToken = (await represent(input, { scheme: "int4", per: "token" }, null, kernels)).data;
  expect([...perToken]).toEqual([100, 0, 0, 0].map(Math.fround));
  const perGroup = (await represent(input, { scheme: "int4", per: 2 }, null, kernels)).data;
  expect(perGroup[2]).toBeCloseTo((5 / 7) * 0.4, 6);
  expect(perGroup[3]).toBeCloseTo(-0.4, 6);
});

test("one scale for everything is what was measured; beyond it inputs saturate", async () => {
  const input = matrix(2, 2, Float32Array.of(2, 0.5, -8, 1));
  const { data } = await represent(input, { scheme: "int4", per: "tensor", largest: 3.5 }, null, kernels);
  expect([...data]).toEqual([2, 0.5, -3.5, 1]); // two codes a unit
});

test("an input that is not finite is not represented by a number", async () => {
  const input = matrix(1, 3, Float32Array.of(Number.POSITIVE_INFINITY, 1, Number.NaN));
  const { data } = await represent(input, { scheme: "int8", per: "tensor", largest: 127 }, null, kernels);
  expect([...data]).toEqual([Number.NaN, 1, Number.NaN]);
  const alone = await represent(input, { scheme: "int8", per: "token" }, null, kernels);
  expect(alone.data.every(Number.isNaN)).toBe(true);
});

test("a scale that was never measured is an error, not a guess", async () => {
  const unmeasured = represent(matrix(1, 2), { scheme: "int8", per: "tensor" }, null, kernels);
  await expect(unmeasured).rejects.toThrow(RangeError);
});

test("an input by centroids is the nearest of each position, the largest difference deciding", async () => {
  const codebooks = Float32Array.of(0, 0, 3, 3, /* second position */ 1, 1, -1, -1);
  const input = matrix(2, 4, Float32Array.of(1, 1.6, -5, 9, 1, 1.4, 0, 0));
  const scheme = { scheme: "centroids", vector: 2, centroids: 2 } as const;
  const { data } = await represent(input, scheme, codebooks, kernels);
  // (1, 1.6) is 2 from (3, 3) and 1.6 from (0, 0); (−5, 9) is 8 from (1, 1) and 10 from (−1, −1); (0, 0) is between.
  expect([...data]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
});
