import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { compensatedTritPlanes } from "../../src/quantizers/compensated-trit-planes.js";
import { tritPlanes } from "../../src/quantizers/trit-planes.js";
import type { PlanesScheme } from "../../src/schemes/planes.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();
const quantized = async (weight: Matrix, x: Matrix, given: object): Promise<PlanesScheme> => {
  const options = compensatedTritPlanes.options.parse(given);
  const context = { seed: 0, kernels };
  const [scheme] = await compensatedTritPlanes.quantize(
    [linearOf("o", weight)],
    inputsOf(x),
    options,
    context,
  );
  return scheme as PlanesScheme;
};

test.each([1, 2, 3])(
  "%i planes lose less of the outputs than those fitted to weights alone",
  async (planes) => {
    const [x, weight] = [correlated(300, 96, 1), bellShaped(16, 96, 2)];
    const plain = await tritPlanes.quantize(weight, { planes, group: 32 }, kernels);
    const found = await quantized(weight, x, { planes, group: 32 });
    expect(proxyLoss(x, weight, dequantize(found))).toBeLessThan(
      0.7 * proxyLoss(x, weight, dequantize(plain)),
    );
  },
);

test("on inputs that know nothing of each other they are those fitted to weights alone", async () => {
  const identity = matrix(64, 64);
  for (let i = 0; i < 64; i++) identity.data[i * 65] = 8;
  const weight = bellShaped(12, 64, 3);
  expect(await quantized(weight, identity, { group: 16 })).toEqual(
    await tritPlanes.quantize(weight, { planes: 2, group: 16 }, kernels),
  );
});

test("a group of zeros stays zeros, in trits and scales", async () => {
  const found = await quantized(matrix(2, 32), correlated(80, 32, 4), { group: 16 });
  expect(found.codes.every((trit) => trit === 0)).toBe(true);
  expect(found.scales.every((scale) => scale === 0)).toBe(true);
});
