import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import type { CalibrationInputs, LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import { llmInt8 } from "../../src/quantizers/llm-int8.js";
import { rtn } from "../../src/quantizers/rtn.js";
import type { PartsScheme } from "../../src/schemes/parts.js";
import { keptOfInput, represent } from "../../src/schemes/represent.js";
import { dequantize, outlineOf, sameOutline } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped, timesTransposed } from "./random-matrix.js";

const kernels = openKernels();

const linear = (name: string, weight: Matrix): LinearToFit => ({
  ...{ name, rows: weight.rows, columns: weight.columns, attention: null, weight },
});

const inputsOf = (...quantized: readonly Matrix[]): CalibrationInputs => ({
  quantized,
  async *float() {},
});

/** Values that bfloat16 holds. */
const bfloat16 = (values: Matrix): Matrix =>
  matrix(
    values.rows,
    values.columns,
    values.data.map((value) => Math.round(value * 64) / 64),
  );

async function quantized(weight: Matrix, inputs: CalibrationInputs, threshold: number): Promise<PartsScheme> {
  const schemes = await llmInt8.quantize(
    [linear("q_proj", weight)],
    inputs,
    { threshold },
    { seed: 0, kernels },
  );
  return schemes[0] as PartsScheme;
}

describe("columns are cut by the largest input on the calibration text", () => {
  const weight = bfloat16(bellShaped(5, 8, 1));
  const calm = matrix(2, 8, new Float32Array(16).fill(1));
  const wild = matrix(2, 8, new Float32Array(16).fill(-1));
  wild.data[3] = -6; // exactly at the threshold: an outlier
  wild.data[8 + 6] = 40;

  test("at the threshold or above it they stay float, in the checkpoint's dtype", async () => {
    const { parts, indices } = await quantized(weight, inputsOf(calm, wild), 6);
    expect([...indices]).toEqual([0, 1, 2, 4, 5, 7, 3, 6]);
    expect(
      parts.map(({ weight: part, activation }) => [part.scheme, part.columns, activation?.scheme]),
    ).toEqual([
      ["int", 6, "int8"],
      ["float", 2, "float"],
    ]);
    expect(parts[1].weight).toMatchObject({
      dtype: "BF16",
      values: Float32Array.from(
        { length: 10 },
        (_, at) => weight.data[Math.floor(at / 2) * 8 + [3, 6][at % 2]],
      ),
    });
  });

  test("with a threshold of 0 all stay float, and the weight is what it was", async () => {
    const scheme = await quantized(weight, inputsOf(calm, wild), 0);
    expect(scheme.parts.map(({ weight: part }) => part.scheme)).toEqual(["float"]);
    expect(dequantize(scheme)).toEqual(weight);
    const input = bellShaped(3, 8, 2);
    expect(await represent(input, { scheme: "parts" }, keptOfInput(scheme), kernels)).toEqual(input);
  });

  test("with one beyond all inputs it is plain INT8", async () => {
    const scheme = await quantized(weight, inputsOf(calm, wild), 1e30);
    const plain = await rtn.quantize(
      weight,
      { bits: 8, group: "row", symmetric: true, clip: false },
      kernels,
    );
    expect(dequantize(scheme)).toEqual(dequantize(plain));
    const input = bellShaped(3, 8, 2);
    const expected = await represent(input, { scheme: "int8", per: "token" }, null, kernels);
    expect(await represent(input, { scheme: "parts" }, keptOfInput(scheme), kernels)).toEqual(expected);
  });

  test("the plan foresaw what is made, however many there are", async () => {
    const planned = llmInt8.outline({ rows: 5, columns: 8, attention: null }, { threshold: 6 });
    for (const threshold of [0, 6, 1e30])
      expect(sameOutline(planned, outlineOf(await quantized(weight, inputsOf(calm, wild), threshold)))).toBe(
        true,
      );
  });
});

test("linears of one input have the same outliers", async () => {
  const wild = matrix(1, 4, Float32Array.of(0, 9, 0, 0));
  const linears = [linear("q", bellShaped(3, 4, 1)), linear("k", bellShaped(2, 4, 2))];
  const schemes = await llmInt8.quantize(linears, inputsOf(wild), { threshold: 6 }, { seed: 0, kernels });
  for (const scheme of schemes as readonly PartsScheme[]) expect([...scheme.indices]).toEqual([0, 2, 3, 1]);
});

test("an input that is not finite is named", async () => {
  const spoilt = matrix(1, 4, Float32Array.of(0, Number.NaN, 0, 0));
  await expect(quantized(bellShaped(2, 4, 1), inputsOf(spoilt), 6)).rejects.toThrow(
    /q_proj is not finite at channel 1/,
  );
});

test("the product is the published decomposition: integers scaled by row and token, and the outliers beside them", async () => {
  const [rows, columns, tokens] = [6, 32, 5];
  const weight = bfloat16(bellShaped(rows, columns, 3));
  const input = bellShaped(tokens, columns, 4);
  for (let token = 0; token < tokens; token++) input.data[token * columns + 11] *= 20;
  const scheme = await quantized(weight, inputsOf(input), 6);
  expect(scheme.parts[1].weight.columns).toBeGreaterThan(0);
  const represented = await represent(input, { scheme: "parts" }, keptOfInput(scheme), kernels);
  const found = timesTransposed(represented, dequantize(scheme));

  const isOutlier = (k: number) =>
    Array.from({ length: tokens }, (_, t) => Math.abs(input.data[t * columns + k])).some((x) => x >= 6);
  const regular = Array.from({ length: columns }, (_, k) => k).filter((k) => !isOutlier(k));
  for (let t = 0; t < tokens; t++) {
    const x = (k: number) => input.data[t * columns + k];
    const ofToken = Math.max(...regular.map((k) => Math.abs(x(k)))) / 127;
    for (let n = 0; n < rows; n++) {
      const w = (k: number) => weight.data[n * columns + k];
      const ofRow = Math.max(...regular.map((k) => Math.abs(w(k)))) / 127;
      let integers = 0;
      let outliers = 0;
      for (let k = 0; k < columns; k++) {
        if (isOutlier(k)) outliers += x(k) * w(k);
        else integers += Math.round(x(k) / ofToken) * Math.round(w(k) / ofRow);
      }
      // The stored scale of a row is a float16: 2^-11 of relative error in its part.
      const expected = integers * ofToken * ofRow + outliers;
      const slack = 2 ** -10 * regular.reduce((sum, k) => sum + Math.abs(x(k) * w(k)), 0);
      expect(Math.abs(found.data[t * rows + n] - expected)).toBeLessThan(slack);
    }
  }
});
