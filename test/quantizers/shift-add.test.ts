import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { bcq } from "../../src/quantizers/bcq.js";
import { shiftAdd } from "../../src/quantizers/shift-add.js";
import type { PlanesScheme } from "../../src/schemes/planes.js";
import { dequantize, outlineOf } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();
const usual = {
  planes: 3,
  group: 32,
  powersOfTwo: 3,
  rounds: 50,
  damping: 0.01,
  order: "groups",
  aim: "own",
} as const;
const plain = { planes: 3, group: 32, powersOfTwo: 3, rounds: 50, offset: false };

async function quantized(
  weight: Matrix,
  x: Matrix,
  options: Parameters<typeof shiftAdd.quantize>[2] = usual,
) {
  const [scheme] = await shiftAdd.quantize([linearOf("o", weight)], inputsOf(x), options, {
    seed: 0,
    kernels,
  });
  return scheme as PlanesScheme;
}

test("loses less of the outputs than the same scales fitted to weights alone", async () => {
  const [x, weight] = [correlated(300, 96, 1), bellShaped(16, 96, 2)];
  const alone = proxyLoss(x, weight, dequantize(await bcq.quantize(weight, plain, kernels)));
  expect(proxyLoss(x, weight, dequantize(await quantized(weight, x)))).toBeLessThan(0.75 * alone);
});

test("on inputs that know nothing of each other it is binary coding with such scales", async () => {
  const identity = matrix(64, 64);
  for (let i = 0; i < 64; i++) identity.data[i * 65] = 8;
  const weight = bellShaped(12, 64, 3);
  expect(await quantized(weight, identity)).toEqual(await bcq.quantize(weight, plain, kernels));
});

test("every scale is the sum of at most two powers of two where two are asked for", async () => {
  const { scales } = await quantized(bellShaped(16, 96, 4), correlated(200, 96, 5), {
    ...usual,
    powersOfTwo: 2,
  });
  const powers = Array.from({ length: 24 }, (_, i) => 2 ** (4 - i));
  const sums = new Set([0, ...powers, ...powers.flatMap((a) => powers.flatMap((b) => [a + b, a - b]))]);
  for (const scale of scales) expect(sums.has(scale), String(scale)).toBe(true);
});

test("what comes out has the outline that was planned", async () => {
  const weight = bellShaped(8, 64, 6);
  const planned = shiftAdd.outline({ rows: 8, columns: 64, attention: null }, usual);
  expect(outlineOf(await quantized(weight, correlated(100, 64, 7)))).toEqual(planned);
});
