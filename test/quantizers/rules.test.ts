import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { candidates } from "../../src/kernels/trit-planes.js";
import { absmean } from "../../src/quantizers/absmean.js";
import { rtn } from "../../src/quantizers/rtn.js";
import { tritPlanes } from "../../src/quantizers/trit-planes.js";
import { twn } from "../../src/quantizers/twn.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { integers, seeds } from "../targets/random-weights.js";

const kernels = openKernels();
const row = (...values: number[]) => matrix(1, values.length, Float32Array.from(values));
const random = (rows: number, columns: number, seed: number): Matrix => {
  const next = integers(seed);
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => (next(4001) - 2000) / 1000),
  );
};
const squaredError = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);

describe("rtn", () => {
  const options = { bits: 2, group: 4, symmetric: false, clip: false } as const;

  test("levels span the range, which includes 0", async () => {
    // min 0, max 3: scale 1, zero point 0; 1.5 and 2.5 are exact halves and go to even.
    const found = await rtn.quantize(row(3, 1.5, 2.5, 0.4), options, kernels);
    expect(found).toMatchObject({
      codes: Uint8Array.of(3, 2, 2, 0),
      scales: Float32Array.of(1),
      zeroPoints: Uint8Array.of(0),
    });
  });

  test("a zero point is rounded to a code", async () => {
    // range −1 … 2: scale 1, zero point 1
    const found = await rtn.quantize(row(-1, 0, 1, 2), options, kernels);
    expect(found).toMatchObject({ codes: Uint8Array.of(0, 1, 2, 3), zeroPoints: Uint8Array.of(1) });
  });

  test("symmetric levels mirror each other: −1, 0, 1 with two bits", async () => {
    const found = await rtn.quantize(row(-2, -0.9, 1.1, 2), { ...options, symmetric: true }, kernels);
    expect(found).toMatchObject({
      codes: Uint8Array.of(1, 2, 3, 3),
      scales: Float32Array.of(2),
      zeroPoints: null,
    });
  });

  test("zeros stay zeros", async () => {
    expect([...dequantize(await rtn.quantize(row(0, 0, 0, 0), options, kernels)).data]).toEqual([0, 0, 0, 0]);
  });

  test("clipping never raises the error it minimises, Σ|e|^2.4", async () => {
    const norm = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, value, i) => sum + Math.abs(value - b[i]) ** 2.4, 0);
    await fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 2, max: 4 }), async (seed, bits) => {
        const weight = random(1, 32, seed);
        const [plain, clipped] = [false, true].map((clip) =>
          rtn.quantize(weight, { bits, group: 32, symmetric: false, clip }, kernels),
        );
        const [before, after] = [dequantize(await plain).data, dequantize(await clipped).data];
        expect(norm(after, weight.data)).toBeLessThanOrEqual(norm(before, weight.data) * (1 + 1e-5));
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});

describe("twn", () => {
  test("exact is the best of all 3^K ternary planes with their best scale", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const weight = random(1, 6, seed);
        const found = squaredError(
          dequantize(await twn.quantize(weight, { group: "tensor", threshold: "exact" }, kernels)).data,
          weight.data,
        );
        let best = Number.POSITIVE_INFINITY;
        for (let index = 0; index < 3 ** 6; index++) {
          const trits = Array.from({ length: 6 }, (_, i) => (Math.floor(index / 3 ** i) % 3) - 1);
          const count = trits.filter((trit) => trit !== 0).length;
          const dot = trits.reduce((sum, trit, i) => sum + trit * weight.data[i], 0);
          const scale = count === 0 ? 0 : dot / count;
          best = Math.min(
            best,
            squaredError(
              Float32Array.from(trits, (trit) => trit * scale),
              weight.data,
            ),
          );
        }
        expect(found).toBeLessThanOrEqual(best + 1e-2 * best + 1e-6); // a float16 scale costs a little
      }),
      { numRuns: 30, seed: 1 },
    );
  });

  test("approximate keeps what exceeds 0.7 · mean|w|, scaled by its mean", async () => {
    // mean|w| = 1, threshold 0.7: 1.5 and −1.75 stay, mean 1.625
    const found = await twn.quantize(
      row(1.5, -1.75, 0.5, 0.25),
      { group: 4, threshold: "approximate" },
      kernels,
    );
    expect(found).toMatchObject({ codes: Int8Array.of(1, -1, 0, 0), scales: Float32Array.of(1.625) });
  });
});

describe("absmean", () => {
  test("rounds w / mean|w|, an exact half to 0", async () => {
    // mean|w| = 1: 0.5 is a half
    const found = await absmean.quantize(row(2, -1, 0.5, 0.5), { group: "tensor" }, kernels);
    expect(found).toMatchObject({ codes: Int8Array.of(1, -1, 0, 0), scales: Float32Array.of(1) });
  });

  test("keeps weights that are ternary already, scale and all", async () => {
    const gamma = Math.fround(0.0371);
    const weight = matrix(2, 3, Float32Array.of(gamma, 0, -gamma, 0, 0, gamma));
    const found = await absmean.quantize(weight, { group: "tensor" }, kernels);
    expect([...dequantize(found).data]).toEqual([...weight.data]);
  });
});

describe("trit-planes", () => {
  test("every trit is nearest for the stored scales, by all 3^planes choices", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 3 }), async (seed, planes) => {
        const weight = random(1, 32, seed);
        const found = await tritPlanes.quantize(weight, { planes, group: 32 }, kernels);
        const near = dequantize(found).data;
        for (let i = 0; i < 32; i++) {
          const levels = candidates(planes).map((trits) =>
            trits.reduce((sum, trit, p) => sum + trit * found.scales[p], 0),
          );
          const best = Math.min(...levels.map((level) => Math.abs(weight.data[i] - level)));
          expect(Math.abs(weight.data[i] - near[i])).toBeLessThanOrEqual(best + 1e-6);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test("scales fall from plane to plane and are never negative", async () => {
    const { scales } = await tritPlanes.quantize(random(16, 64, 3), { planes: 3, group: 64 }, kernels);
    for (let run = 0; run < 16; run++) {
      expect(scales[run]).toBeGreaterThanOrEqual(scales[16 + run]);
      expect(scales[16 + run]).toBeGreaterThanOrEqual(scales[32 + run]);
      expect(scales[32 + run]).toBeGreaterThanOrEqual(0);
    }
  });

  test("does not depend on the unit of the weights", async () => {
    const weight = random(4, 64, 5);
    const small = matrix(
      4,
      64,
      weight.data.map((value) => value / 256),
    );
    const [a, b] = [
      await tritPlanes.quantize(weight, { planes: 2, group: 64 }, kernels),
      await tritPlanes.quantize(small, { planes: 2, group: 64 }, kernels),
    ];
    expect(b.codes).toEqual(a.codes);
    expect([...b.scales]).toEqual([...a.scales].map((scale) => scale / 256));
  });

  test("a group of zeros has scales of zero", async () => {
    const found = await tritPlanes.quantize(row(0, 0, 0, 0), { planes: 2, group: 4 }, kernels);
    expect(found).toMatchObject({ codes: new Int8Array(8), scales: new Float32Array(2) });
  });

  test("more planes never have a larger error", async () => {
    const weight = random(8, 128, 9);
    const errors = [];
    for (const planes of [1, 2, 3]) {
      errors.push(
        squaredError(
          dequantize(await tritPlanes.quantize(weight, { planes, group: 128 }, kernels)).data,
          weight.data,
        ),
      );
    }
    expect(errors[1]).toBeLessThan(errors[0]);
    expect(errors[2]).toBeLessThan(errors[1]);
  });
});
