import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { bench } from "../../src/pipeline/bench.js";
import { findTarget } from "../../src/targets/registry.js";

const kernels = openKernels();

test("a product's rates follow from its shape and time", async () => {
  const { rows } = await bench({
    targets: [findTarget("t-mac")],
    shapes: [[64, 128]],
    tokens: [1, 3],
    kernels,
  });
  expect(rows.map(({ tokens }) => tokens)).toEqual([1, 3]);
  for (const row of rows) {
    expect(row.seconds).toBeGreaterThan(0);
    expect(row.packedBytes).toBe(64 * 128 * 0.25 + 64 * 8); // two bits a weight; scale and zero, float32, a group
    expect(row.packedBytesPerSecond * row.seconds).toBeCloseTo(row.packedBytes);
    expect(row.multiplyAccumulatesPerSecond * row.seconds).toBeCloseTo(64 * 128 * row.tokens);
  }
});

test.skipIf(kernels.native === null)("shares are of the limits measured in the same run", async () => {
  const { limits, rows } = await bench({
    targets: [findTarget("tellme")],
    shapes: [[16, 84]],
    tokens: [1],
    kernels,
  });
  const [row] = rows;
  expect(row.ofReadBandwidth).toBeCloseTo(row.packedBytesPerSecond / (limits?.readBytesPerSecond ?? 0));
  expect(row.ofDotProducts).toBeCloseTo(
    row.multiplyAccumulatesPerSecond / (limits?.dotProductsPerSecond ?? 0),
  );
});

test("the reference path is timed without limits", async () => {
  const { limits, rows } = await bench({
    targets: [findTarget("t-mac")],
    shapes: [[32, 128]],
    tokens: [1],
    kernels: openKernels({ path: "reference" }),
  });
  expect(limits).toBe(null);
  expect(rows[0]).toMatchObject({ ofReadBandwidth: null, ofDotProducts: null });
});

test("a target whose quantizer needs a model is timed on random vectors", async () => {
  const { rows } = await bench({
    targets: [findTarget("lut-llm")],
    shapes: [[128, 64]],
    tokens: [1],
    kernels,
  });
  // 32 positions: a table of 64 · 16 bytes and 64 bytes of ids each, 64 centroids of 8 bytes; one scale and bias
  expect(rows[0].packedBytes).toBe(32 * (1024 + 64 + 512) + 8);
  expect(rows[0].seconds).toBeGreaterThan(0);
});
