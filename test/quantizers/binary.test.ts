import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { binary } from "../../src/quantizers/binary.js";
import { dequantize, outlineOf } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "./random-matrix.js";

const kernels = openKernels();

test("a row's scale is its mean magnitude, zero counts as positive", async () => {
  const found = await binary.quantize(rowOf(1, -2, 0, -5), { group: "row", centre: false }, kernels);
  expect(found).toMatchObject({ codes: Int8Array.of(1, -1, 1, -1), scales: Float32Array.of(2) });
});

test("a centred group keeps its mean as an offset", async () => {
  // Mean 3: what is left is −2, 0, 0, 2.
  const found = await binary.quantize(rowOf(1, 3, 3, 5), { group: 4, centre: true }, kernels);
  expect(found).toMatchObject({
    codes: Int8Array.of(-1, 1, 1, 1),
    scales: Float32Array.of(1),
    offsets: Float32Array.of(3),
  });
});

test("what comes out has the outline that was planned", async () => {
  for (const options of [
    { group: "row", centre: false },
    { group: 16, centre: true },
  ] as const) {
    const found = await binary.quantize(bellShaped(6, 32, 1), options, kernels);
    expect(outlineOf(found)).toEqual(binary.outline(6, 32, options));
  }
});

test("no signs and scale of a row are nearer to it", async () => {
  const weight = bellShaped(1, 8, 2);
  const found = squaredError(await binary.quantize(weight, { group: "row", centre: false }, kernels), weight);
  for (let signs = 0; signs < 256; signs++) {
    const along = weight.data.reduce((sum, value, i) => sum + ((signs >> i) & 1 ? value : -value), 0);
    // The least over all scales: Σw² − (Σ s·w)² / n.
    const least = weight.data.reduce((sum, value) => sum + value * value, 0) - along ** 2 / 8;
    expect(found).toBeLessThanOrEqual(least + 1e-3);
  }
});

function rowOf(...values: number[]): Matrix {
  return matrix(1, values.length, Float32Array.from(values));
}

function squaredError(scheme: Parameters<typeof dequantize>[0], weight: Matrix): number {
  return dequantize(scheme).data.reduce((sum, value, i) => sum + (value - weight.data[i]) ** 2, 0);
}
