import { describe, expect, test } from "vitest";
import { statisticsOf } from "../../src/calibration/input-statistics.js";
import { openKernels } from "../../src/kernels/open.js";
import type { ScalableInput } from "../../src/model/architecture.js";
import { rtn } from "../../src/quantizers/rtn.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { awq } from "../../src/transforms/awq.js";
import type { InputToScale, LinearToScale } from "../../src/transforms/transform.js";
import { bellShaped } from "../quantizers/random-matrix.js";

const kernels = openKernels();
const published = { groupedValues: false };
const size = 8;
const alone: ScalableInput["runs"] = [{ size, makers: [], firsts: [0] }];

/** By a plain sum. */
function toScale(x: Matrix, linears: readonly LinearToScale[], runs = alone): InputToScale {
  const { rows: tokens, columns } = x;
  const sums = {
    tokens,
    values: new Float64Array(columns),
    magnitudes: new Float64Array(columns),
    squares: new Float64Array(columns),
    largest: new Float64Array(columns),
    products: new Float64Array(columns * columns),
  };
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < columns; i++) {
      sums.magnitudes[i] += Math.abs(x.data[t * columns + i]);
      for (let j = 0; j < columns; j++)
        sums.products[i * columns + j] += x.data[t * columns + i] * x.data[t * columns + j];
    }
  }
  return { input: { linears: [], madeBy: "norm", runs }, statistics: statisticsOf(sums), linears };
}

const byRounding = async (weight: Matrix) =>
  dequantize(await rtn.quantize(weight, { bits: 3, group: 4, symmetric: false, clip: false }, kernels));

const linear = (weight: Matrix, approximate: LinearToScale["approximate"] = byRounding): LinearToScale => ({
  name: "model.layers.0.mlp.up_proj",
  weight,
  approximate,
});

/** Tokens whose channels have magnitudes from 1/8 to 16. */
function inputs(tokens: number, seed: number): Matrix {
  const x = bellShaped(tokens, size, seed);
  return { ...x, data: x.data.map((value, at) => value * 2 ** ((at % size) - 3)) };
}

describe("the search", () => {
  const x = inputs(50, 1);
  const weights = [bellShaped(5, size, 2), bellShaped(3, size, 3)];

  /** What the outputs of all linears lack, squared and summed over the tokens. */
  async function errorOf(scales: readonly number[]): Promise<number> {
    let sum = 0;
    for (const { rows, data } of weights) {
      const scaled = matrix(
        rows,
        size,
        data.map((value, at) => value * scales[at % size]),
      );
      const rounded = await byRounding(scaled);
      for (let t = 0; t < x.rows; t++) {
        for (let row = 0; row < rows; row++) {
          let lacking = 0;
          for (let k = 0; k < size; k++) {
            const at = row * size + k;
            lacking += (rounded.data[at] / scales[k] - data[at]) * x.data[t * size + k];
          }
          sum += lacking ** 2;
        }
      }
    }
    return sum;
  }

  test("finds the exponent whose outputs err least, as trying all on the tokens themselves does", async () => {
    const magnitudes = Array.from({ length: size }, (_, k) => {
      let sum = 0;
      for (let t = 0; t < x.rows; t++) sum += Math.abs(x.data[t * size + k]);
      return sum / x.rows;
    });
    const candidates = Array.from({ length: 20 }, (_, step) => {
      const powers = magnitudes.map((magnitude) => magnitude ** (step / 20));
      const middle = Math.sqrt(Math.max(...powers) * Math.min(...powers));
      return powers.map((power) => power / middle);
    });
    const errors = await Promise.all(candidates.map(errorOf));
    const best = errors.indexOf(Math.min(...errors));
    expect(best).toBeGreaterThan(0);
    const found = await awq.fit(
      toScale(
        x,
        weights.map((each) => linear(each)),
      ),
      published,
      kernels,
    );
    for (const [k, scale] of candidates[best].entries()) expect(found[k]).toBeCloseTo(scale, 5);
  });

  test("looks only at linears that are quantized", async () => {
    const one = await awq.fit(toScale(x, [linear(weights[0])]), published, kernels);
    const both = toScale(x, [linear(weights[0]), linear(weights[1], null)]);
    expect(await awq.fit(both, published, kernels)).toEqual(one);
  });

  test("scales nothing where that is best: weights that rounding leaves as they are", async () => {
    const whole = {
      ...weights[0],
      data: weights[0].data.map((_, at) => (at % 4 === 0 ? 0 : (at % 7) + (at % 4 === 3 ? 7 - (at % 7) : 0))),
    };
    expect(await byRounding(whole)).toEqual(whole);
    const found = await awq.fit(toScale(x, [linear(whole)]), published, kernels);
    expect([...found]).toEqual(new Array(size).fill(1));
  });

  test("scales nothing where all channels are alike: the result is that of rtn", async () => {
    const alike = { ...x, data: x.data.map((value) => Math.sign(value) * 0.75) };
    const found = await awq.fit(toScale(alike, [linear(weights[0])]), published, kernels);
    expect([...found]).toEqual(new Array(size).fill(1));
  });
});

describe("scales are positive and finite", () => {
  const weight = bellShaped(5, size, 4);
  const positive = (scales: Float32Array) => scales.every((scale) => scale > 0 && Number.isFinite(scale));

  test("for channels without input", async () => {
    const x = inputs(30, 5);
    for (let t = 0; t < x.rows; t++) x.data[t * size + 2] = 0;
    const scales = await awq.fit(toScale(x, [linear(weight)]), published, kernels);
    expect(positive(scales)).toBe(true);
    expect(scales[2]).toBe(Math.min(...scales));
  });

  test("for an input that is zero everywhere", async () => {
    const scales = await awq.fit(toScale(matrix(3, size), [linear(weight)]), published, kernels);
    expect([...scales]).toEqual(new Array(size).fill(1));
  });

  test("for groups of weights that are all zero, and weights that are", async () => {
    const x = inputs(30, 6);
    const gap = { ...weight, data: weight.data.map((value, at) => (at % size < 4 ? 0 : value)) };
    for (const each of [gap, matrix(5, size)])
      expect(positive(await awq.fit(toScale(x, [linear(each)]), published, kernels))).toBe(true);
  });

  test("where some exponents give nothing finite; where all do the linears are named", async () => {
    const x = inputs(30, 7);
    let calls = 0;
    const atTimes = async (scaled: Matrix) => {
      const rounded = await byRounding(scaled);
      return calls++ % 2 === 0 ? { ...rounded, data: rounded.data.fill(Number.NaN) } : rounded;
    };
    expect(positive(await awq.fit(toScale(x, [linear(weight, atTimes)]), published, kernels))).toBe(true);
    const never = async ({ rows, columns, data }: Matrix) =>
      matrix(
        rows,
        columns,
        data.map(() => Number.POSITIVE_INFINITY),
      );
    await expect(awq.fit(toScale(x, [linear(weight, never)]), published, kernels)).rejects.toThrow(
      "awq finds no scales for the input of model.layers.0.mlp.up_proj",
    );
  });
});

describe("values that several query heads read", () => {
  const runs = [
    { size: 2, makers: [], firsts: [0, 2] },
    { size: 2, makers: [], firsts: [4, 6] },
  ];

  test("are left alone unless asked for, as published", () => {
    const { input } = toScale(inputs(3, 8), [], runs);
    expect(awq.takes(input, published)).toBe(false);
    expect(awq.takes(input, { groupedValues: true })).toBe(true);
    expect(awq.takes({ ...input, runs: alone }, published)).toBe(true);
  });

  test("have one scale, by the mean of what all of them read", async () => {
    const x = inputs(40, 9);
    const toMean = toScale(x, [linear(bellShaped(6, size, 10))], runs);
    const scales = await awq.fit(toMean, { groupedValues: true }, kernels);
    const { meanMagnitude } = toMean.statistics;
    const means = [0, 1, 4, 5].map((k) => (meanMagnitude[k] + meanMagnitude[k + 2]) / 2);
    expect([...scales.subarray(2, 4)]).toEqual([...scales.subarray(0, 2)]);
    expect([...scales.subarray(6, 8)]).toEqual([...scales.subarray(4, 6)]);
    // Every scale is one power of its mean, times one factor.
    const slope = (i: number, j: number) =>
      Math.log(scales[[0, 1, 4, 5][i]] / scales[[0, 1, 4, 5][j]]) / Math.log(means[i] / means[j]);
    expect(slope(3, 0)).toBeGreaterThan(0.01);
    expect(slope(1, 0)).toBeCloseTo(slope(3, 0), 3);
    expect(slope(2, 1)).toBeCloseTo(slope(3, 0), 3);
  });
});
