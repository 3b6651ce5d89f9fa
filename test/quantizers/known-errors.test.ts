import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { absmean } from "../../src/quantizers/absmean.js";
import { bcq } from "../../src/quantizers/bcq.js";
import { binary } from "../../src/quantizers/binary.js";
import { bitmod } from "../../src/quantizers/bitmod.js";
import { hqq } from "../../src/quantizers/hqq.js";
import { kMeans } from "../../src/quantizers/k-means.js";
import { rtn } from "../../src/quantizers/rtn.js";
import { tritPlanes } from "../../src/quantizers/trit-planes.js";
import { twn } from "../../src/quantizers/twn.js";
import type { WeightScheme } from "../../src/schemes/scheme.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";

/*
 * Relative Frobenius errors on i.i.d. data, 4,096 groups of 128, from an independent float64 script with unrounded
 * scales: any correct implementation lands within 1 % on N(0, 1) and 3 % on Student's t with 5 degrees of freedom.
 */

const kernels = openKernels();
const normal = samples(gaussian(1));
const student = samples(studentFive(2));

const cases = [
  [
    "rtn int4 asymmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 4, group: 128, symmetric: false, clip: false }, kernels),
    0.1007,
    0.134,
  ],
  [
    "rtn int4 symmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 4, group: 128, symmetric: true, clip: false }, kernels),
    0.1176,
    0.173,
  ],
  [
    "rtn int4 clipped",
    (w: Matrix) => rtn.quantize(w, { bits: 4, group: 128, symmetric: false, clip: true }, kernels),
    0.0953,
    0.127,
  ],
  [
    "rtn int3 asymmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 3, group: 128, symmetric: false, clip: false }, kernels),
    0.2159,
    0.284,
  ],
  [
    "rtn int3 symmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 3, group: 128, symmetric: true, clip: false }, kernels),
    0.2747,
    0.386,
  ],
  [
    "rtn int3 clipped",
    (w: Matrix) => rtn.quantize(w, { bits: 3, group: 128, symmetric: false, clip: true }, kernels),
    0.1876,
    0.246,
  ],
  [
    "rtn int2 asymmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 2, group: 128, symmetric: false, clip: false }, kernels),
    0.504,
    0.597,
  ],
  [
    "rtn int2 symmetric",
    (w: Matrix) => rtn.quantize(w, { bits: 2, group: 128, symmetric: true, clip: false }, kernels),
    0.768,
    0.803,
  ],
  [
    "rtn int2 clipped",
    (w: Matrix) => rtn.quantize(w, { bits: 2, group: 128, symmetric: false, clip: true }, kernels),
    0.3705,
    0.437,
  ],
  ["absmean", (w: Matrix) => absmean.quantize(w, { group: 128 }, kernels), 0.511, 0.602],
  [
    "twn approximate",
    (w: Matrix) => twn.quantize(w, { group: 128, threshold: "approximate" }, kernels),
    0.4353,
    0.528,
  ],
  ["twn exact", (w: Matrix) => twn.quantize(w, { group: 128, threshold: "exact" }, kernels), 0.4328, 0.514],
  [
    "one trit plane",
    (w: Matrix) => tritPlanes.quantize(w, { planes: 1, group: 128 }, kernels),
    0.4329,
    0.516,
  ],
  [
    "two trit planes",
    (w: Matrix) => tritPlanes.quantize(w, { planes: 2, group: 128 }, kernels),
    0.1659,
    0.212,
  ],
  [
    "three trit planes",
    (w: Matrix) => tritPlanes.quantize(w, { planes: 3, group: 128 }, kernels),
    0.071,
    0.081,
  ],
  ["one sign plane", (w: Matrix) => signPlanes(w, 1), 0.6004, 0.677],
  ["two sign planes", (w: Matrix) => signPlanes(w, 2), 0.3377, 0.41],
  ["three sign planes", (w: Matrix) => signPlanes(w, 3), 0.1871, 0.233],
  ["four sign planes", (w: Matrix) => signPlanes(w, 4), 0.1041, 0.13],
  ["FP4", (w: Matrix) => smallFloat(w, 4, "float"), 0.1091, 0.124],
  ["BitMoD FP4", (w: Matrix) => smallFloat(w, 4, "bitmod"), 0.0979, 0.108],
  ["FP3", (w: Matrix) => smallFloat(w, 3, "float"), 0.239, 0.311],
  ["BitMoD FP3", (w: Matrix) => smallFloat(w, 3, "bitmod"), 0.1951, 0.233],
  ["two sign planes, greedy", (w: Matrix) => signPlanes(w, 2, 0), 0.3586, 0.468],
  ["three sign planes, greedy", (w: Matrix) => signPlanes(w, 3, 0), 0.2392, 0.371],
  ["binary", (w: Matrix) => binary.quantize(w, { group: 128, centre: false }, kernels), 0.6004, 0.677],
  ["hqq int4", (w: Matrix) => floatZeroPoints(w, 4), 0.097, 0.128],
  ["hqq int3", (w: Matrix) => floatZeroPoints(w, 3), 0.2075, 0.275],
  ["hqq int2", (w: Matrix) => floatZeroPoints(w, 2), 0.4885, 0.62],
] as const;

describe("relative error on random weights", () => {
  test.each(cases)("%s", async (_, quantize, onNormal, onStudent) => {
    const errors = [
      relativeError(normal, await quantize(normal)),
      relativeError(student, await quantize(student)),
    ];
    expect(Math.abs(errors[0] / onNormal - 1), `N(0, 1): ${errors[0]}`).toBeLessThan(0.01);
    expect(Math.abs(errors[1] / onStudent - 1), `t(5): ${errors[1]}`).toBeLessThan(0.03);
  });
});

test("tables of 8 and 16 values a row of 4096 are as near as the normal distribution's best quantizers", async () => {
  // Max, "Quantizing for minimum distortion", IRE Trans. IT-6 (1960), table I: mean square errors at 8 and 16 levels.
  const rows = matrix(128, 4096, normal.data);
  for (const [bits, squared] of [
    [3, 0.03454],
    [4, 0.009497],
  ]) {
    const found = relativeError(rows, await kMeans.quantize(rows, { bits, group: "row" }, kernels));
    // Fitted to 4096 samples each, so a little nearer to these than the distribution's own.
    expect(found / Math.sqrt(squared), `${bits} bits: ${found}`).toBeLessThan(1);
    expect(found / Math.sqrt(squared), `${bits} bits: ${found}`).toBeGreaterThan(0.97);
  }
});

test("exact tables are no worse than the local optima that others have found on Student's t", async () => {
  const rows = matrix(128, 4096, student.data);
  for (const [bits, local] of [
    [3, 0.319],
    [4, 0.127],
  ])
    expect(relativeError(rows, await kMeans.quantize(rows, { bits, group: "row" }, kernels))).toBeLessThan(
      local,
    );
});

function relativeError(weight: Matrix, scheme: WeightScheme): number {
  const approximation = dequantize(scheme).data;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < approximation.length; i++) {
    error += (approximation[i] - weight.data[i]) ** 2;
    norm += weight.data[i] ** 2;
  }
  return Math.sqrt(error / norm);
}

function smallFloat(weight: Matrix, bits: 3 | 4, values: "bitmod" | "float"): Promise<WeightScheme> {
  return bitmod.quantize(weight, { bits, group: 128, values }, kernels);
}

function signPlanes(weight: Matrix, planes: number, rounds = 15): Promise<WeightScheme> {
  return bcq.quantize(weight, { planes, group: 128, offset: false, rounds }, kernels);
}

function floatZeroPoints(weight: Matrix, bits: number): Promise<WeightScheme> {
  return hqq.quantize(weight, { bits, group: 128, shrink: "weights" }, kernels);
}

function samples(draw: () => number): Matrix {
  return matrix(4096, 128, Float32Array.from({ length: 4096 * 128 }, draw));
}

function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function gaussian(seed: number): () => number {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

function studentFive(seed: number): () => number {
  const next = gaussian(seed);
  return () => {
    const squares = Array.from({ length: 5 }, () => next() ** 2);
    return next() / Math.sqrt(squares.reduce((sum, square) => sum + square) / 5);
  };
}
