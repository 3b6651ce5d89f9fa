import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { bcq } from "../../src/quantizers/bcq.js";
import { compensatedBcq } from "../../src/quantizers/compensated-bcq.js";
import type { PlanesScheme } from "../../src/schemes/planes.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();
const quantized = async (weight: Matrix, x: Matrix, given: object): Promise<PlanesScheme> => {
  const options = compensatedBcq.options.parse(given);
  const context = { seed: 0, kernels };
  const [scheme] = await compensatedBcq.quantize([linearOf("o", weight)], inputsOf(x), options, context);
  return scheme as PlanesScheme;
};
const cases = [1, 2, 3, 4].flatMap((planes) => [false, true].map((offset) => ({ planes, offset })));

test.each(cases)(
  "$planes planes, offset $offset, lose less of the outputs than those fitted to weights alone",
  async (options) => {
    const [x, weight] = [correlated(300, 96, 1), bellShaped(16, 96, 2)];
    const plain = await bcq.quantize(weight, { ...options, group: 32, rounds: 15 }, kernels);
    const found = await quantized(weight, x, { ...options, group: 32 });
    expect(proxyLoss(x, weight, dequantize(found))).toBeLessThan(
      0.75 * proxyLoss(x, weight, dequantize(plain)),
    );
  },
);

test.each(cases)(
  "$planes planes, offset $offset, are those fitted to weights alone on inputs that know nothing of each other",
  async (options) => {
    const identity = matrix(64, 64);
    for (let i = 0; i < 64; i++) identity.data[i * 65] = 8;
    const weight = bellShaped(12, 64, 3);
    expect(await quantized(weight, identity, { ...options, group: 16 })).toEqual(
      await bcq.quantize(weight, { ...options, group: 16, rounds: 15 }, kernels),
    );
  },
);
