import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hqq as reference } from "../../src/kernels/hqq.js";
import { openKernels } from "../../src/kernels/open.js";
import { hqq } from "../../src/quantizers/hqq.js";
import type { IntScheme } from "../../src/schemes/int.js";
import { bitsPerWeight, dequantize, outlineOf } from "../../src/schemes/weights.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "./random-matrix.js";

const kernels = openKernels();
const usual = { bits: 4, group: 64, shrink: "weights" } as const;

test("INT4 in groups of 64 takes 4.50 bits a weight, in groups of 128 4.25", () => {
  expect(bitsPerWeight(hqq.outline(128, 4096, usual))).toBe(4.5);
  expect(bitsPerWeight(hqq.outline(128, 4096, { ...usual, group: 128 }))).toBe(4.25);
});

test("what comes out has the outline that was planned", async () => {
  const weight = bellShaped(8, 256, 1);
  expect(outlineOf(await hqq.quantize(weight, usual, kernels))).toEqual(hqq.outline(8, 256, usual));
});

test("scales and zero points are float16, and every weight has the nearest code for them", async () => {
  const weight = bellShaped(8, 256, 2);
  const { codes, scales, zeroPoints } = await quantize(weight, usual);
  expect(scales).toEqual(scales.map(roundToFloat16));
  expect(zeroPoints).toEqual(zeroPoints.map(roundToFloat16));
  for (const [i, value] of weight.data.entries()) {
    const run = Math.floor(i / 64);
    const distance = (code: number) => Math.abs(scales[run] * (code - zeroPoints[run]) - value);
    for (let code = 0; code < 16; code++)
      expect(distance(codes[i])).toBeLessThanOrEqual(distance(code) + 1e-6);
  }
});

test("a group whose range is too small for a grid keeps its mean, and zeros stay zeros", async () => {
  const found = await quantize(matrix(1, 8, Float32Array.of(0, 0, 0, 0, 0.75, 0.75, 0.75, 0.75)), {
    ...usual,
    group: 4,
  });
  expect([...dequantize(found).data]).toEqual([0, 0, 0, 0, 0.75, 0.75, 0.75, 0.75]);
});

test("zero points are 0 or no nearer to it than 1/512, so that their products with scales tell them apart", async () => {
  const weight = bellShaped(64, 64, 3);
  for (let i = 0; i < weight.data.length; i++) {
    const row = Math.floor(i / 64);
    weight.data[i] = Math.abs(weight.data[i]) / (row < 32 ? 1 : 1e6); // nothing below 0, or hardly a range
  }
  const { scales, zeroPoints, codes } = await quantize(weight, usual);
  for (const zero of zeroPoints) expect(zero === 0 || Math.abs(zero) >= 1 / 512).toBe(true);
  expect(zeroPoints.slice(32)).toEqual(new Float32Array(32).fill(-1));
  expect(Math.min(...scales)).toBeGreaterThan(0);
  expect(Math.max(...codes)).toBeLessThan(16);
});

describe("against the published solver in float64, its scales and zero points not rounded", () => {
  const shape = fc.record({
    seed: fc.integer({ min: 0, max: 1000 }),
    bits: fc.integer({ min: 2, max: 5 }),
    unit: fc.constantFrom(1, 0.02),
  });

  test.each(["weights", "steps"] as const)("errors in %s: the same zero points", (shrink) => {
    fc.assert(
      fc.property(shape, ({ seed, bits, unit }) => {
        const w = bellShaped(6, 32, seed).data.map((value) => value * unit);
        const { scales, zeroPoints } = reference(w, { group: 32, bits, shrink });
        const published = solve([...w], 32, bits, shrink);
        for (let run = 0; run < 6; run++) {
          expect(scales[run] / published[run].scale).toBeCloseTo(1, 2.9);
          expect(Math.abs(zeroPoints[run] - published[run].zero)).toBeLessThan(0.02);
        }
      }),
      { numRuns: 100, seed: 1 },
    );
  });
});

test("small weights: the published shrinking does nothing, so errors of a group only come to have the mean 0", () => {
  const w = bellShaped(16, 64, 4).data.map((value) => value / 50);
  const { codes, scales, zeroPoints } = reference(w, { group: 64, bits: 4, shrink: "weights" });
  for (let run = 0; run < 16; run++) {
    let error = 0;
    for (let i = run * 64; i < (run + 1) * 64; i++)
      error += (scales[run] * (codes[i] - zeroPoints[run]) - w[i]) / 64;
    expect(Math.abs(error)).toBeLessThan(0.05 * scales[run]);
  }
  expect(reference(w, { group: 64, bits: 4, shrink: "steps" }).zeroPoints).not.toEqual(zeroPoints);
});

test("in steps the fit does not depend on the unit of the weights", () => {
  const w = bellShaped(8, 64, 5).data;
  const task = { group: 64, bits: 3, shrink: "steps" } as const;
  const [a, b] = [
    reference(w, task),
    reference(
      w.map((value) => value / 8),
      task,
    ),
  ];
  expect(b.codes).toEqual(a.codes);
  expect(b.zeroPoints).toEqual(a.zeroPoints);
});

async function quantize(weight: Matrix, options: Parameters<typeof hqq.quantize>[1]) {
  return (await hqq.quantize(weight, options, kernels)) as IntScheme & { readonly zeroPoints: Float32Array };
}

/** `optimize_weights_proximal` of mobiusml/hqq line by line, in float64, runs along axis 1. */
function solve(w: readonly number[], group: number, bits: number, shrink: "weights" | "steps") {
  const runs = Array.from({ length: w.length / group }, (_, run) => {
    const own = w.slice(run * group, (run + 1) * group);
    const range = Math.max(...own) - Math.min(...own);
    const inverse = range <= 1e-4 ? 1 : Math.min((2 ** bits - 1) / range, 2e4);
    return { own, inverse, zero: -Math.min(...own) * inverse };
  });
  let best = Number.POSITIVE_INFINITY;
  for (let iteration = 0; iteration < 20; iteration++) {
    let error = 0;
    for (const run of runs) {
      const { own, inverse, zero } = run;
      const codes = own.map((x) => Math.min(Math.max(Math.round(x * inverse + zero), 0), 2 ** bits - 1));
      const rest = own.map((x, i) => x - (codes[i] - zero) / inverse);
      const unit = shrink === "steps" ? inverse : 1;
      const sparse = rest.map(
        (e) => (Math.sign(e) * Math.max(Math.abs(e * unit) - Math.abs(e * unit) ** -0.3 / 10, 0)) / unit,
      );
      run.zero = own.reduce((sum, x, i) => sum + codes[i] - (x - sparse[i]) * inverse, 0) / group;
      error += rest.reduce((sum, e) => sum + Math.abs(e), 0) / w.length;
    }
    if (error >= best) break;
    best = error;
  }
  return runs.map(({ inverse, zero }) => ({ scale: 1 / inverse, zero }));
}
