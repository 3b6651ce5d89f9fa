import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { aimAtFloat, momentsOf, sampleRows } from "../../src/quantizers/input-moments.js";
import { stack } from "../../src/quantizers/stacked-linears.js";
import { type Matrix, matrix, rowsOf } from "../../src/tensor/matrix.js";
import { bellShaped, correlated, squaredDistance, timesTransposed } from "./random-matrix.js";

const kernels = openKernels();
const float = correlated(300, 4, 1);
const noise = bellShaped(300, 4, 2);
/** What a quantized model might have in its place. */
const quantized = matrix(
  300,
  4,
  float.data.map((value, i) => value + 0.3 * noise.data[i]),
);
const batches = (x: Matrix) => [rowsOf(x, 0, 120), rowsOf(x, 120, 300)];
const inputs = {
  quantized: batches(quantized),
  float: async function* () {
    yield* batches(float);
  },
};

function momentOf(a: Matrix, b: Matrix, i: number, j: number): number {
  let sum = 0;
  for (let row = 0; row < a.rows; row++) sum += a.data[row * 4 + i] * b.data[row * 4 + j];
  return sum / a.rows;
}

test("moments are means over all tokens of all batches", async () => {
  const { second, cross } = await momentsOf(inputs, null, 2, kernels);
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      expect(second[i * 4 + j]).toBeCloseTo(momentOf(quantized, quantized, i, j), 4);
      expect(cross[i * 4 + j]).toBeCloseTo(momentOf(float, quantized, i, j), 4);
    }
  }
});

test("inputs with centroids count as their centroids, and the sample has their ids", async () => {
  const codebooks = Float32Array.of(-1, -1, 1, 1, -2, 0, 2, 0); // two positions of two centroids
  const { second, sample } = await momentsOf(inputs, codebooks, 2, kernels);
  const nearest = Array.from({ length: 300 }, (_, row) => {
    const distance = (a: number, b: number) =>
      Math.max(Math.abs(quantized.data[row * 4] - a), Math.abs(quantized.data[row * 4 + 1] - b));
    return distance(1, 1) < distance(-1, -1) ? 1 : 0;
  });
  expect([...(sample.ids?.subarray(0, 300) ?? [])]).toEqual(nearest);
  expect(second[0]).toBeCloseTo(1, 6);
  expect(second[2 * 4 + 2]).toBeCloseTo(4, 6);
});

test("samples are spread evenly over the batches", () => {
  const numbered = matrix(
    10,
    1,
    Float32Array.from({ length: 10 }, (_, i) => i),
  );
  const sample = sampleRows([rowsOf(numbered, 0, 3), rowsOf(numbered, 3, 10)], 5);
  expect([...sample.data]).toEqual([0, 2, 4, 6, 8]);
  expect(sampleRows([numbered], 100).rows).toBe(10);
});

test("aimed weights give the float model's outputs better than the weights themselves", async () => {
  const weight = bellShaped(6, 4, 3);
  const linear = { name: "o", rows: 6, columns: 4, attention: null, weight };
  const stacked = stack([linear], () => ({ blocks: 1, shared: false, runs: 1 }));
  const own = matrix(6, 4, stacked.weights);
  const wanted = timesTransposed(float, own).data;
  const errorOf = (candidate: Matrix) => squaredDistance(timesTransposed(quantized, candidate).data, wanted);
  const aimed = matrix(6, 4, await aimAtFloat(stacked, await momentsOf(inputs, null, 2, kernels), kernels));
  expect(errorOf(aimed)).toBeLessThan(errorOf(own));
  for (let at = 0; at < aimed.data.length; at++) {
    const moved = matrix(6, 4, aimed.data.slice());
    moved.data[at] += 0.05;
    expect(errorOf(moved)).toBeGreaterThan(errorOf(aimed)); // least squares: no way down from here
  }
});
