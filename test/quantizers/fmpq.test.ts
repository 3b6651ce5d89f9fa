import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import type { CalibrationInputs, LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import { fmpq } from "../../src/quantizers/fmpq.js";
import { rtn } from "../../src/quantizers/rtn.js";
import { cut, type PartsScheme } from "../../src/schemes/parts.js";
import { keptOfInput, represent } from "../../src/schemes/represent.js";
import { bitsPerWeight, dequantize, outlineOf, sameOutline } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped } from "./random-matrix.js";

const kernels = openKernels();

const linear = (weight: Matrix): LinearToFit => ({
  ...{ name: "up_proj", rows: weight.rows, columns: weight.columns, attention: null, weight },
});

const inputsOf = (...quantized: readonly Matrix[]): CalibrationInputs => ({ quantized, async *float() {} });

async function quantized(
  weight: Matrix,
  inputs: CalibrationInputs,
  options: { block: number; share: number },
) {
  const schemes = await fmpq.quantize([linear(weight)], inputs, options, { seed: 0, kernels });
  return schemes[0] as PartsScheme;
}

describe("channels with outliers come together", () => {
  const weight = bellShaped(3, 8, 1);
  const input = matrix(2, 8, Float32Array.of(1, 9, 1, 2, 0, 1, -7, 3, 0.5, 1, 1, 2, 0, 1, 1, -8));

  test("in the blocks of INT8, the largest first, equals in their order", async () => {
    const { parts, indices } = await quantized(weight, inputsOf(input), { block: 2, share: 0.5 });
    expect([...indices]).toEqual([1, 7, 6, 3, 0, 2, 5, 4]);
    expect(parts.map(({ weight: part, activation }) => [part.columns, activation])).toEqual([
      [4, { scheme: "int8", per: 2 }],
      [4, { scheme: "int4", per: 2 }],
    ]);
  });

  test.each([
    [0, [8]],
    [0.01, [2, 6]],
    [0.6, [4, 4]],
    [1, [8]],
  ])("a share of %f of four blocks", async (share, columns) => {
    const scheme = await quantized(weight, inputsOf(input), { block: 2, share });
    expect(scheme.parts.map(({ weight: part }) => part.columns)).toEqual(columns);
    const planned = fmpq.outline({ rows: 3, columns: 8, attention: null }, { block: 2, share });
    expect(outlineOf(scheme)).toEqual(planned);
    expect(sameOutline(planned, outlineOf(scheme))).toBe(true);
  });

  test("each part's weights are INT4, those of its columns rounded alone", async () => {
    const scheme = await quantized(weight, inputsOf(input), { block: 2, share: 0.5 });
    const rounding = { bits: 4, group: 2, symmetric: true, clip: true };
    for (const [at, columns] of [Uint32Array.of(1, 7, 6, 3), Uint32Array.of(0, 2, 5, 4)].entries())
      expect(scheme.parts[at].weight).toEqual(
        await rtn.quantize(cut(weight, "columns", columns), rounding, kernels),
      );
  });

  test("no input of a block of INT8 is far from what it was, whatever the outlier", async () => {
    const scheme = await quantized(weight, inputsOf(input), { block: 2, share: 0.5 });
    const { data } = await represent(input, { scheme: "parts" }, keptOfInput(scheme), kernels);
    const blocks = [
      [1, 7],
      [6, 3],
      [0, 2],
      [5, 4],
    ];
    for (const [block, columns] of blocks.entries()) {
      for (const token of [0, 1]) {
        const values = columns.map((k) => input.data[token * 8 + k]);
        const step = Math.max(...values.map(Math.abs)) / (block < 2 ? 127 : 7);
        for (const [i, k] of columns.entries())
          expect(data[token * 8 + k]).toBeCloseTo(Math.round(values[i] / (step || 1)) * step, 5);
      }
    }
  });
});

test("without outliers' order it is INT4 as `rtn` has it: a permutation costs its indices and no accuracy", async () => {
  const weight = bellShaped(64, 256, 2);
  const scheme = await quantized(weight, inputsOf(matrix(1, 256, new Float32Array(256).fill(1))), {
    block: 128,
    share: 0,
  });
  const plain = await rtn.quantize(weight, { bits: 4, group: 128, symmetric: true, clip: true }, kernels);
  expect(dequantize(scheme)).toEqual(dequantize(plain));
  expect(bitsPerWeight(outlineOf(scheme))).toBe(bitsPerWeight(plain) + 32 / 64);
});

test("blocks that do not divide the channels are refused before any work", () => {
  const shape = { rows: 4, columns: 172, attention: null };
  expect(() => fmpq.outline(shape, { block: 128, share: 0.2 })).toThrow(
    /blocks of 128 channels do not divide its 172/,
  );
});
