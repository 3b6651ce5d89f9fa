import { expect, test } from "vitest";
import type { GridOutline } from "../../../src/schemes/scheme.js";
import { boundOf } from "../../../src/targets/cost.js";
import { lutGemmCost } from "../../../src/targets/lut-gemm/cost.js";
import { fpgaDevice, gpuDevice } from "../device-of.js";

const weight: GridOutline = {
  ...{ scheme: "int", bits: 3, symmetric: false, rows: 12288, columns: 12288, group: 128, scaleRows: 12288 },
};
const product = (tokens: number) => ({
  weight,
  activation: { scheme: "float" } as const,
  parameters: {},
  tokens,
});
const size = 12288 * 12288;

test("lookups are N · K · q / 8, table entries 256 for eight inputs and 2048 outputs", () => {
  const cost = lutGemmCost.of(product(1), gpuDevice, {});
  expect(cost.lookups).toBe((size * 3) / 8);
  const [[build], [lookups]] = cost.stages;
  expect(lookups.cycles).toBe(cost.lookups / (108 * 32));
  expect(build.cycles).toBe(((12288 / 2048) * (12288 / 8) * 256) / (108 * 32));
});

test("bits a weight are q + 16 q / g + 16 / g", () => {
  const { weights, scales } = lutGemmCost.of(product(1), gpuDevice, {}).bytes;
  expect((8 * (weights + scales)) / size).toBeCloseTo(3 + (16 * 3) / 128 + 16 / 128, 12);
});

test("one token is bound by one of both, and the table build is a small part", () => {
  const cost = lutGemmCost.of(product(1), gpuDevice, {});
  expect(["lookups", "weight stream"]).toContain(boundOf(cost).name);
  expect(cost.stages[0][0].cycles).toBeLessThan(cost.stages[1][0].cycles / 10);
});

test("several tokens are no lookups any more", () => {
  expect(lutGemmCost.refuse(product(1), gpuDevice)).toBe(null);
  expect(lutGemmCost.refuse(product(2), gpuDevice)?.reason).toMatch(/cuBLAS/);
  expect(lutGemmCost.refuse(product(1), fpgaDevice)?.reason).toMatch(/runs on a gpu/);
});
