import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { gptq } from "../../src/quantizers/gptq.js";
import { rtn } from "../../src/quantizers/rtn.js";
import type { IntScheme } from "../../src/schemes/int.js";
import { dequantize } from "../../src/schemes/weights.js";
import { float16ToNumber, numberToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inverted } from "../kernels/second-moments.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();
const quantized = async (weight: Matrix, x: Matrix, options: object): Promise<IntScheme> => {
  const given = { ...gptq.options.parse({}), ...options };
  const [scheme] = await gptq.quantize([linearOf("o", weight)], inputsOf(x), given, { seed: 0, kernels });
  return scheme as IntScheme;
};

describe("is what GPTQ's derivation says, computed without blocks and factors:", () => {
  const x = correlated(400, 160, 1);
  const weight = bellShaped(24, 160, 2);
  const cases = [
    { bits: 4, group: 32, symmetric: false, order: "none" },
    { bits: 2, group: 16, symmetric: false, order: "none" },
    { bits: 3, group: 160, symmetric: true, order: "none" },
    { bits: 3, group: 32, symmetric: true, order: "static" },
    { bits: 4, group: 80, symmetric: false, order: "static" },
  ] as const;

  test.each(cases)("$bits bits, groups of $group, symmetric $symmetric, order $order", async (options) => {
    const found = await quantized(weight, x, options);
    const expected = plainGptq(weight, x, options);
    expect([...found.codes]).toEqual(expected.codes);
    const { data } = dequantize(found);
    for (const [at, value] of expected.values.entries())
      expect(Math.abs(data[at] - value)).toBeLessThan(1e-5);
  });
});

describe("is round-to-nearest", () => {
  const weight = bellShaped(12, 64, 3);

  test("on inputs that know nothing of each other", async () => {
    const identity = matrix(64, 64);
    for (let i = 0; i < 64; i++) identity.data[i * 65] = 8; // second moments: the identity
    for (const order of ["none", "groups", "static"]) {
      const options = { bits: 3, group: 16, symmetric: false, clip: true } as const;
      expect(await quantized(weight, identity, { ...options, order })).toEqual(
        await rtn.quantize(weight, options, kernels),
      );
    }
  });

  test("with endless damping", async () => {
    const options = { bits: 4, group: 32, symmetric: true, clip: false } as const;
    expect(await quantized(weight, correlated(200, 64, 4), { ...options, damping: 1e12 })).toEqual(
      await rtn.quantize(weight, options, kernels),
    );
  });
});

test("loses less of the outputs than round-to-nearest, on average", async () => {
  const ratios = [];
  for (let seed = 0; seed < 8; seed++) {
    const [x, weight] = [correlated(300, 64, 10 + seed), bellShaped(16, 64, 30 + seed)];
    const options = { bits: 2 + (seed % 3), group: 32, symmetric: false, clip: false } as const;
    const plain = proxyLoss(x, weight, dequantize(await rtn.quantize(weight, options, kernels)));
    ratios.push(proxyLoss(x, weight, dequantize(await quantized(weight, x, options))) / plain);
  }
  expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeLessThan(0.8);
});

test("a shape that does not fit is known in advance", () => {
  const outline = (options: object, columns: number) =>
    gptq.outline({ rows: 8, columns, attention: null }, gptq.options.parse(options));
  expect(outline({ bits: 3 }, 256)).toMatchObject({ scheme: "int", bits: 3, group: 128, scaleRows: 8 });
  expect(outline({ group: "row" }, 172)).toMatchObject({ group: 172 });
  expect(() => outline({}, 172)).toThrow(new RangeError("a group of 128 does not divide its 172 inputs"));
  expect(() => outline({ bits: 1, symmetric: true }, 128)).toThrow("only the level 0");
});

/**
 * Optimal brain quantization in a fixed order (GPTQ's paper, §3.2, and Frantar and Alistarh, arXiv 2208.11580, algorithm 3):
 * one inverse of the damped second moments; each column is rounded, its error handed on by its row of the inverse, and the
 * column eliminated from the inverse. All in float64, row by row.
 */
function plainGptq(
  weight: Matrix,
  x: Matrix,
  { bits, group, symmetric, order }: { bits: number; group: number; symmetric: boolean; order: string },
) {
  const { rows, columns } = weight;
  const moments = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++)
      for (let token = 0; token < x.rows; token++)
        moments[i * columns + j] += (x.data[token * columns + i] * x.data[token * columns + j]) / x.rows;
  const sizes = Array.from({ length: columns }, (_, i) => moments[i * columns + i]);
  const mean = sizes.reduce((sum, size) => sum + size) / columns;
  for (let i = 0; i < columns; i++) moments[i * columns + i] += 0.01 * mean;
  const turns = Array.from(sizes.keys());
  if (order === "static") turns.sort((a, b) => sizes[b] - sizes[a]);

  const inverse = inverted(moments, columns);
  const rest = Float64Array.from(weight.data);
  const codes: number[] = new Array(rows * columns);
  const values: number[] = new Array(rows * columns);
  const ranges = new Map<string, Range>();
  const rangeAt = (row: number, first: number) => {
    const from = row * columns + first;
    return rangeOf([...rest.subarray(from, from + group)], bits, symmetric);
  };
  if (order === "static") {
    for (let row = 0; row < rows; row++)
      for (let first = 0; first < columns; first += group) ranges.set(`${row} ${first}`, rangeAt(row, first));
  }
  for (const column of turns) {
    const first = column - (column % group);
    for (let row = 0; row < rows; row++) {
      const key = `${row} ${first}`;
      const range = ranges.get(key) ?? rangeAt(row, first);
      ranges.set(key, range);
      const at = row * columns + column;
      codes[at] = clamp(Math.round(rest[at] / range.scale) + range.zero, range.low, range.high);
      values[at] = range.scale * (codes[at] - range.zero);
      const error = (rest[at] - values[at]) / inverse[column * columns + column];
      for (let k = 0; k < columns; k++)
        if (k !== column) rest[row * columns + k] -= error * inverse[column * columns + k];
    }
    const pivot = inverse[column * columns + column];
    const row = inverse.slice(column * columns, (column + 1) * columns);
    const own = Float64Array.from({ length: columns }, (_, i) => inverse[i * columns + column]);
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++) inverse[i * columns + j] -= (own[i] * row[j]) / pivot;
  }
  return { codes, values };
}

interface Range {
  readonly scale: number;
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** GPTQ's `find_params`, with a scale of float16. */
function rangeOf(weights: number[], bits: number, symmetric: boolean): Range {
  const [min, max] = [Math.min(0, ...weights), Math.max(0, ...weights)];
  const stored = (scale: number) => float16ToNumber(numberToFloat16(scale));
  if (symmetric) {
    const [steps, zero] = [2 ** (bits - 1) - 1, 2 ** (bits - 1)];
    return { scale: stored(Math.max(-min, max) / steps), zero, low: zero - steps, high: zero + steps };
  }
  const scale = stored((max - min) / (2 ** bits - 1));
  return {
    scale,
    zero: clamp(Math.round(-min / scale), 0, 2 ** bits - 1),
    low: 0,
    high: 2 ** bits - 1,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
