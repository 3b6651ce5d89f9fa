import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { finequant } from "../../src/quantizers/finequant.js";
import { rtn } from "../../src/quantizers/rtn.js";
import { describeWeight, outlineOf, sameOutline } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "./random-matrix.js";

const kernels = openKernels();
const usual = { bits: 4, smallestGroup: 64, threshold: 1.1 } as const;

describe("the group of a matrix", () => {
  test("is the row where ranges are even along it", async () => {
    const even = matrix(2, 512, new Float32Array(1024).fill(-0.5));
    expect((await finequant.quantize(even, usual, kernels)).group).toBe(512);
    expect((await finequant.quantize(matrix(2, 512), usual, kernels)).group).toBe(512);
  });

  test("is halved while that narrows the ranges by more than the threshold", async () => {
    // Ranges of 8 in an eighth of each row and of 1 elsewhere. Means of max|w|: 8, 4.5, 2.75, 1.875, and no less below.
    const weight = withRange(8, 512, 64);
    expect((await finequant.quantize(weight, usual, kernels)).group).toBe(64);
    expect((await finequant.quantize(weight, { ...usual, threshold: 1.7 }, kernels)).group).toBe(256);
    expect((await finequant.quantize(weight, { ...usual, threshold: 1.8 }, kernels)).group).toBe(512);
  });

  test("is never smaller than the least, nor one that a row does not have", async () => {
    const weight = withRange(4, 96, 3);
    expect((await finequant.quantize(weight, { ...usual, smallestGroup: 10 }, kernels)).group).toBe(12);
    expect((await finequant.quantize(weight, { ...usual, smallestGroup: 2 }, kernels)).group).toBe(3);
    expect((await finequant.quantize(weight, usual, kernels)).group).toBe(96);
  });
});

test("codes are those of round-to-nearest with that group", async () => {
  const weight = bellShaped(4, 256, 3);
  for (let i = 0; i < 256; i += 64) weight.data[i] = 30;
  const found = await finequant.quantize(weight, { ...usual, threshold: 1.01 }, kernels);
  const options = { bits: 4, group: found.group, symmetric: true, clip: false };
  expect(found).toEqual(await rtn.quantize(weight, options, kernels));
});

test("whatever comes out is the planned scheme or one of the alternatives that targets were asked about", async () => {
  const planned = [finequant.outline(8, 512, usual), ...(finequant.alternatives?.(8, 512, usual) ?? [])];
  expect(planned.map(describeWeight)).toEqual(
    ["row", "g256", "g128", "g64"].map((g) => `int4 symmetric ${g}`),
  );
  for (const weight of [bellShaped(8, 512, 4), withRange(8, 512, 64), withRange(8, 512, 128)]) {
    const found = outlineOf(await finequant.quantize(weight, usual, kernels));
    expect(planned.some((outline) => sameOutline(outline, found))).toBe(true);
  }
});

/** Rows of ones that begin with a run of eights. */
function withRange(rows: number, columns: number, run: number): Matrix {
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, (_, i) => (i % columns < run ? 8 : 1)),
  );
}
