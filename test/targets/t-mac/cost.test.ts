import { describe, expect, test } from "vitest";
import type { GridOutline } from "../../../src/schemes/scheme.js";
import { boundOf, cyclesOf } from "../../../src/targets/cost.js";
import { tMacCost } from "../../../src/targets/t-mac/cost.js";
import { cpuDevice, gpuDevice } from "../device-of.js";

const int = (bits: number, symmetric = true): GridOutline => ({
  ...{ scheme: "int", bits, symmetric, rows: 4096, columns: 4096, group: 128, scaleRows: 4096 },
});
const product = (weight: GridOutline, tokens = 1, float: "float16" | "float32" = "float32") => ({
  ...{ weight, tokens, activation: { scheme: "float" } as const },
  parameters: { float, aggregation: "exact" as const },
});
const costOn = (set: "neon" | "avx2", weight: GridOutline, tokens = 1, cores = 1) =>
  tMacCost.of(product(weight, tokens, set === "neon" ? "float16" : "float32"), cpuDevice(set, cores), {});

describe("counts of the paper", () => {
  test.each([1, 2, 3, 4])("lookups are tokens · N · K · %i / 4", (bits) => {
    expect(costOn("avx2", int(bits), 3).lookups).toBe((3 * 4096 * 4096 * bits) / 4);
  });

  test("two trit planes are two passes of two bits", () => {
    const planes: GridOutline = {
      ...{
        scheme: "planes",
        alphabet: "trits",
        planes: 2,
        rows: 4096,
        columns: 4096,
        group: 128,
        scaleRows: 4096,
      },
    };
    expect(costOn("avx2", planes).lookups).toBe(2 * costOn("avx2", int(2)).lookups);
  });

  test("bytes are those of the pack: codes, and scales of four bytes on x86, two on ARM, with zeros twice", () => {
    const scales = (4096 * 4096) / 128;
    expect(costOn("avx2", int(2)).bytes).toMatchObject({ weights: (4096 * 4096) / 4, scales: 4 * scales });
    expect(costOn("neon", int(2)).bytes.scales).toBe(2 * scales);
    expect(costOn("avx2", int(2, false)).bytes.scales).toBe(8 * scales);
  });
});

test("32 lookups are eight vector instructions on NEON, and twelve more an activation group", () => {
  const [[build], [lookups]] = costOn("neon", int(2)).stages;
  const strips = (4096 * 2) / 32;
  const instructions = strips * (8 * (4096 / 4) + 12 * (4096 / 64));
  expect(lookups.cycles).toBe(instructions / 2); // two a cycle
  expect(build.cycles).toBe((208 * (4096 / 32)) / 2);
});

test("crossing the lanes of AVX2 has a limit of its own", () => {
  const [, [lookups]] = costOn("avx2", int(2)).stages;
  const strips = (4096 * 2) / 32;
  const all = (strips * (10 * 1024 + 22 * 64)) / 2;
  expect(lookups.cycles).toBe(Math.max(all, strips * (4 * 1024 + 6 * 64)));
});

test("time is linear in bits while lookups decide, and cores share it", () => {
  const lookups = (bits: number, cores = 1) => costOn("neon", int(bits), 1, cores).stages[1][0].cycles;
  expect(lookups(4)).toBe(2 * lookups(2));
  expect(lookups(2, 4)).toBe(lookups(2) / 4);
});

test("with many cores the memory decides, whatever they could look up", () => {
  const cost = costOn("avx2", int(2), 1, 64);
  expect(boundOf(cost)).toMatchObject({ name: "weight stream", busy: "off-chip" });
  const { weights, scales, activations } = cost.bytes;
  expect(cyclesOf(cost)).toBeGreaterThan((weights + scales + activations) / 10);
});

test("averages cost less than widening sums", () => {
  const fast = {
    ...product(int(2), 1, "float16"),
    parameters: { float: "float16", aggregation: "fast" } as const,
  };
  expect(cyclesOf(tMacCost.of(fast, cpuDevice("neon"), {}))).toBeLessThan(cyclesOf(costOn("neon", int(2))));
});

test("the floating point of a pack is that of one instruction set", () => {
  expect(tMacCost.refuse(product(int(2)), cpuDevice("avx2"))).toBe(null);
  expect(tMacCost.refuse(product(int(2)), cpuDevice("neon"))?.fix).toBe("add --set float=float16");
  expect(tMacCost.refuse(product(int(2)), gpuDevice)?.reason).toBe("t-mac runs on a cpu, board is a gpu");
});
