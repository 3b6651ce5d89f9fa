import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { awq } from "../../src/quantizers/awq.js";
import type { LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import { rtn } from "../../src/quantizers/rtn.js";
import type { IntScheme } from "../../src/schemes/int.js";
import { dequantize } from "../../src/schemes/weights.js";
import { float16ToNumber, numberToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix, rowsOf } from "../../src/tensor/matrix.js";
import { nativeKernels, reference } from "../kernels/every-path.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();

const linear = (weight: Matrix, changes: Partial<LinearToFit> = {}): LinearToFit => ({
  name: "model.layers.0.mlp.down_proj",
  rows: weight.rows,
  columns: weight.columns,
  weight,
  attention: null,
  rotaryHeadSize: null,
  ...changes,
});

const inputsOf = (x: Matrix) => ({
  quantized: [rowsOf(x, 0, 70), rowsOf(x, 70, x.rows)],
  float: async function* () {},
});

async function quantized(each: LinearToFit, x: Matrix, options: object, by = kernels): Promise<IntScheme> {
  const [scheme] = await awq.quantize([each], inputsOf(x), awq.options.parse(options), {
    seed: 0,
    kernels: by,
  });
  return scheme as IntScheme;
}

/** Asymmetric round-to-nearest of some weights over a range, as the formula says. */
function rounded(w: readonly number[], low: number, high: number, bits: number): number[] {
  const most = 2 ** bits - 1;
  const scale = float16ToNumber(numberToFloat16(Math.fround(high - low) / most));
  const zero = Math.round(-low / scale);
  return w.map((value) => {
    const clipped = Math.max(low, Math.min(high, value));
    return scale * (Math.max(0, Math.min(most, Math.round(clipped / scale) + zero)) - zero);
  });
}

const x = correlated(120, 24, 1);
const weight = bellShaped(10, 24, 2);
for (let i = 0; i < weight.data.length; i += 13) weight.data[i] *= 4; // something to cut off

describe("each group of a row", () => {
  const [bits, group] = [3, 8];

  /** Mean square of what the group's part of the output lacks. */
  function errorOf(row: number, first: number, values: readonly number[]): number {
    let sum = 0;
    for (let t = 0; t < x.rows; t++) {
      let lacking = 0;
      for (const [i, value] of values.entries())
        lacking += (value - weight.data[row * 24 + first + i]) * x.data[t * 24 + first + i];
      sum += lacking ** 2;
    }
    return sum / x.rows;
  }

  test("is cut off where its outputs err least, as trying all ten on the tokens does", async () => {
    const { data } = dequantize(await quantized(linear(weight), x, { bits, group }));
    const shares = new Set<number>();
    for (let row = 0; row < weight.rows; row++) {
      for (let first = 0; first < 24; first += group) {
        const w = [...weight.data.subarray(row * 24 + first, row * 24 + first + group)];
        const largest = Math.max(...w.map(Math.abs));
        const errors = Array.from({ length: 10 }, (_, step) => {
          const most = largest * (1 - step / 20);
          const [low, high] = [Math.max(Math.min(0, ...w), -most), Math.min(Math.max(0, ...w), most)];
          return errorOf(row, first, rounded(w, low, high, bits));
        });
        const found = errorOf(row, first, [...data.subarray(row * 24 + first, row * 24 + first + group)]);
        expect(found / Math.min(...errors)).toBeCloseTo(1, 3);
        shares.add(errors.indexOf(Math.min(...errors)));
      }
    }
    expect(shares.size).toBeGreaterThan(4);
  });

  test("of a whole row works as well", async () => {
    const whole = await quantized(linear(weight), x, { bits, group: "row" });
    expect(whole).toMatchObject({ group: 24, scaleRows: 10, symmetric: false });
    expect(whole).toEqual(await quantized(linear(weight), x, { bits, group: 24 }));
  });
});

test.each([2, 3, 4])("with %d bits its outputs err less than those of rtn", async (bits) => {
  const options = { bits, group: 8 };
  const error = (scheme: IntScheme) => {
    const { data } = dequantize(scheme);
    let sum = 0;
    for (let first = 0; first < 24; first += 8)
      for (let row = 0; row < 10; row++)
        for (let t = 0; t < x.rows; t++) {
          let lacking = 0;
          for (let k = first; k < first + 8; k++)
            lacking += (data[row * 24 + k] - weight.data[row * 24 + k]) * x.data[t * 24 + k];
          sum += lacking ** 2;
        }
    return sum;
  };
  const plain = await rtn.quantize(weight, { ...options, symmetric: false, clip: false }, kernels);
  expect(error(await quantized(linear(weight), x, options))).toBeLessThan(error(plain as IntScheme));
});

test("queries and keys are not clipped: they are those of rtn", async () => {
  const options = { bits: 4, group: 8 };
  const plain = await rtn.quantize(weight, { ...options, symmetric: false, clip: false }, kernels);
  const found = await quantized(linear(weight, { rotaryHeadSize: 10 }), x, options);
  expect(found).toEqual(plain);
  expect(found).not.toEqual(await quantized(linear(weight), x, options));
});

test("a group without inputs, or without weights, is that of rtn", async () => {
  const silent = { ...x, data: x.data.map((value, at) => (at % 24 < 8 ? 0 : value)) };
  const gap = { ...weight, data: weight.data.map((value, at) => (at % 24 >= 16 ? 0 : value)) };
  const options = { bits: 3, group: 8 };
  const found = dequantize(await quantized(linear(gap), silent, options));
  const plain = dequantize(await rtn.quantize(gap, { ...options, symmetric: false, clip: false }, kernels));
  for (let row = 0; row < 10; row++) {
    expect(found.data.subarray(row * 24, row * 24 + 8)).toEqual(plain.data.subarray(row * 24, row * 24 + 8));
    expect([...found.data.subarray(row * 24 + 16, row * 24 + 24)].every((value) => value === 0)).toBe(true);
  }
});

test("weights that no float16 scale can hold are reported by the linear's name", async () => {
  const huge = matrix(1, 8, Float32Array.of(1e9, 0, 0, 0, 0, 0, 0, -1e9));
  const one = { ...correlated(120, 8, 3) };
  await expect(quantized(linear(huge), one, { bits: 2, group: 8 })).rejects.toThrow(
    "model.layers.0.mlp.down_proj has weights too large for a float16 scale",
  );
});

test("a group that does not divide the inputs is refused before any work", () => {
  const shape = { rows: 10, columns: 24, attention: null };
  expect(() => awq.outline(shape, awq.options.parse({ group: 9 }))).toThrow("a group of 9 does not divide");
});

test.each(nativeKernels)("$name: the codes of the reference", async ({ native }) => {
  const options = { bits: 3, group: 8 };
  expect(await quantized(linear(weight), x, options, native)).toEqual(
    await quantized(linear(weight), x, options, reference),
  );
});
