import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { bitmod } from "../../src/quantizers/bitmod.js";
import { kMeans } from "../../src/quantizers/k-means.js";
import { nf4 } from "../../src/quantizers/nf4.js";
import { powerOfTwo } from "../../src/quantizers/power-of-two.js";
import type { ValuesScheme } from "../../src/schemes/values.js";
import { dequantize } from "../../src/schemes/weights.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { integers } from "../targets/random-weights.js";

const kernels = openKernels();

describe("bitmod", () => {
  // Tables of quant_weight.py: extra resolution and extra asymmetry, each with either sign.
  const fp3 = [-4, -2, -1, 0, 1, 2, 4];
  const fp4 = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12];
  const withSpecials = (basic: number[], ...specials: number[]) =>
    specials.map((special) => [...basic, special].sort((a, b) => a - b));

  test.each([
    [3, withSpecials(fp3, 3, -3, 6, -6)],
    [4, withSpecials(fp4, 10, -10, 16, -16)],
  ] as const)("%d bits have the four tables of the paper", (bits, tables) => {
    expect(bitmod.outline(8, 128, { bits, group: 128, values: "bitmod" })).toMatchObject({ bits, tables });
  });

  test("the comparison types have one table each", () => {
    const tables = (bits: 3 | 4, values: "float" | "flint") =>
      bitmod.outline(8, 128, { bits, group: 128, values });
    expect(tables(3, "float")).toMatchObject({ tables: [fp3] });
    expect(tables(4, "float")).toMatchObject({ tables: [fp4] });
    const flint = [-16, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 16];
    expect(tables(4, "flint")).toMatchObject({ tables: [flint] });
    expect(() => tables(3, "flint")).toThrow(LuthierError);
  });

  test.each([3, 4] as const)("%d bits: the authors' search finds the same weight", async (bits) => {
    const weight = random(16, 128, bits);
    const found = await bitmod.quantize(weight, { bits, group: 32, values: "bitmod" }, kernels);
    const expected = authorsSearch(weight, 32, found.tables ?? []);
    const differences = dequantize(found).data.map((value, i) => Math.abs(value - expected[i]));
    expect(Math.max(...differences)).toBeLessThan(1e-6);
  });

  /** search_datatype and quant_datatype of quant_weight.py in float64, with the scale as it is stored. */
  function authorsSearch(weight: Matrix, group: number, tables: readonly (readonly number[])[]): number[] {
    const out: number[] = [];
    for (let start = 0; start < weight.data.length; start += group) {
      const w = [...weight.data.subarray(start, start + group)];
      const most = Math.max(...w.map(Math.abs));
      const candidates = tables.map((values) => {
        const scale = roundToFloat16(most / Math.max(...values.map(Math.abs)));
        return w.map((value) => {
          const above = values.findIndex((each, i) => value / scale <= (each + values[i + 1]) / 2);
          return scale * values[above < 0 ? values.length - 1 : above];
        });
      });
      const errors = candidates.map((each) => each.reduce((sum, value, i) => sum + (value - w[i]) ** 2, 0));
      out.push(...candidates[errors.indexOf(Math.min(...errors))]);
    }
    return out;
  }

  test("it does not depend on the unit of the weights, from tiny to huge ones", async () => {
    const weight = random(4, 128, 9);
    const chosen = { bits: 4, group: 128, values: "bitmod" } as const;
    const found = await bitmod.quantize(weight, chosen, kernels);
    for (const factor of [2 ** -10, 2 ** 12]) {
      const scaled = matrix(
        4,
        128,
        weight.data.map((value) => value * factor),
      );
      const other = await bitmod.quantize(scaled, chosen, kernels);
      expect(other.selectors).toEqual(found.selectors);
      expect(other.codes).toEqual(found.codes);
    }
  });
});

describe("nf4", () => {
  test("its values are the normal distribution's quantiles of QLoRA's equation 4, halves with a zero in common", () => {
    const { tables } = nf4.outline(1, 64, { group: 64 }) as ValuesScheme;
    const offset = 0.9677083;
    const quantiles = (count: number) =>
      Array.from({ length: count }, (_, i) => normalQuantile(offset + (i * (0.5 - offset)) / count));
    const positive = quantiles(8).reverse();
    const all = [...quantiles(7).map((value) => -value), 0, ...positive];
    for (const [i, value] of (tables?.[0] ?? []).entries())
      expect(value).toBeCloseTo(all[i] / positive[positive.length - 1], 6);
    expect(tables?.[0].length).toBe(all.length);
  });

  test("each weight is the nearest value times its group's largest magnitude", async () => {
    const weight = random(4, 128, 1);
    const found = await nf4.quantize(weight, { group: 64 }, kernels);
    const [table] = found.tables ?? [];
    for (let i = 0; i < weight.data.length; i++) {
      const group = weight.data.subarray(i - (i % 64), i - (i % 64) + 64);
      const scale = roundToFloat16(group.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
      const distances = table.map((value) => Math.abs(weight.data[i] - scale * value));
      expect(distances[found.codes[i]]).toBeLessThan(Math.min(...distances) + 1e-7);
    }
  });
});

describe("power-of-two", () => {
  test.each([2, 3, 4, 5])("%d bits: the values of INQ's rule", async (bits) => {
    const weight = random(8, 128, bits);
    const found = await powerOfTwo.quantize(weight, { bits, group: 64 }, kernels);
    const { data } = dequantize(found);
    for (let i = 0; i < weight.data.length; i++) {
      const group = weight.data.subarray(i - (i % 64), i - (i % 64) + 64);
      const most = group.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const largest = Math.floor(Math.log2((4 * most) / 3)); // n₁ of equation 3
      const magnitudes = Array.from({ length: 2 ** (bits - 1) - 1 }, (_, n) => 2 ** (largest - n));
      // Equation 4: β where (α + β) / 2 ≤ |w| < 3β / 2, with α the next smaller value; else 0.
      const beta = magnitudes.find(
        (beta, n) => ((magnitudes[n + 1] ?? 0) + beta) / 2 <= Math.abs(weight.data[i]),
      );
      expect(Math.abs(data[i])).toBe(beta ?? 0);
    }
  });

  test("scales are powers of two", async () => {
    const { scales } = await powerOfTwo.quantize(random(8, 128, 3), { bits: 4, group: 32 }, kernels);
    for (const scale of scales ?? []) expect(Number.isInteger(Math.log2(scale))).toBe(true);
  });
});

describe("k-means", () => {
  test("every row has a table that fits its weights", async () => {
    const found = await kMeans.quantize(
      matrix(2, 4, Float32Array.of(1, 1.5, -3, -3, 100, 200, 100, 204)),
      { bits: 1, group: "row" },
      kernels,
    );
    expect(found.ownTables).toEqual(Float32Array.of(-3, 1.25, 100, 202));
    expect([...found.codes]).toEqual([1, 1, 0, 0, 0, 1, 0, 1]);
  });

  test("it is nearer than any other scalar values with as many bits, and groups are nearer than rows", async () => {
    const weight = random(16, 256, 7);
    const error = (scheme: ValuesScheme) =>
      dequantize(scheme).data.reduce((sum, value, i) => sum + (value - weight.data[i]) ** 2, 0);
    const row = error(await kMeans.quantize(weight, { bits: 4, group: "row" }, kernels));
    const group = error(await kMeans.quantize(weight, { bits: 4, group: 64 }, kernels));
    expect(row).toBeLessThan(error(await nf4.quantize(weight, { group: "row" }, kernels)));
    expect(row).toBeLessThan(
      error(await bitmod.quantize(weight, { bits: 4, group: "row", values: "bitmod" }, kernels)),
    );
    expect(group).toBeLessThan(row);
  });
});

/** Sums of four uniform numbers: near to normal, with hardly a tie. */
function random(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  const draw = () => (next(65536) + next(65536) + next(65536) + next(65536)) / 2 ** 17 - 1;
  return matrix(rows, columns, Float32Array.from({ length: rows * columns }, draw));
}

/** By bisection of the integral of the density. */
function normalQuantile(share: number): number {
  let [low, high] = [0, 8];
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (0.5 + normalIntegral(middle) < share) low = middle;
    else high = middle;
  }
  return low;
}

/** From 0, by Simpson's rule. */
function normalIntegral(to: number): number {
  const steps = 2000;
  const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(to);
  for (let i = 1; i < steps; i++) sum += density((i * to) / steps) * (i % 2 === 1 ? 4 : 2);
  return (sum * to) / steps / 3;
}
