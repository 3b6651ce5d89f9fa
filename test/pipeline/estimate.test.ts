import path from "node:path";
import { describe, expect, test } from "vitest";
import { type EstimateOptions, estimate } from "../../src/pipeline/estimate.js";
import type { Phase } from "../../src/pipeline/estimate-linears.js";
import { loadDevice } from "../../src/recipe/device.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { findTarget, targets } from "../../src/targets/registry.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "./run.js";

const on = async (target: string, device: string, more: Partial<EstimateOptions> = {}) =>
  estimate({
    ...{ path: bundledModel, target: findTarget(target), device: await loadDevice(device) },
    ...{ prefill: 64, decode: 10, ...more },
  });
const phase = (found: Phase | object) => found as Phase;

describe("a checkpoint", () => {
  test("is planned by the target's typical rule, its head float, and no weight is quantized", async () => {
    const found = await on("tellme", "kv260");
    const { kinds } = phase(found.decode);
    expect(kinds.map(({ kind, count, scheme }) => `${count} ${kind} ${scheme}`)).toEqual([
      ...["q", "k", "v", "o", "gate", "up", "down"].map((kind) => `4 ${kind}_proj ternary tensor`),
      "1 lm_head float",
    ]);
  });

  test("takes a recipe's rules, and its parameters of the target", async () => {
    const recipe = await loadRecipe("rtn-int4-g128");
    const found = await on("t-mac", "surface-book-3", { recipe });
    expect(phase(found.decode).kinds[0].scheme).toBe("int4 g128");
    // 3,145,728 weights of 4 bits with float32 scales and zeros for 128 of them, and a bfloat16 head
    expect(found.weightBytes).toBe(3145728 * (0.5 + 8 / 128) + 2048 * 256 * 2);
  });

  test("that does not fit the target is refused, with the linear's name", async () => {
    const recipe = await loadRecipe("rtn-int4-g128");
    await expect(on("tellme", "kv260", { recipe })).rejects.toMatchObject({
      usage: true,
      message: expect.stringContaining("model.layers.0.self_attn.q_proj"),
    });
  });
});

test("a run is estimated by what it holds, with the parameters of its pack", async () => {
  const out = path.join(temporaryFolder(), "run");
  await quantizeBundled("rtn-int2-g64", out);
  const found = await on("t-mac", "surface-book-3", { path: out });
  const planned = await on("t-mac", "surface-book-3", { recipe: await loadRecipe("rtn-int2-g64") });
  expect(found.rules).toBe("rtn-int2-g64");
  expect(found.prefill).toEqual(planned.prefill);
  expect(found.decode).toEqual(planned.decode);
  expect(found.weightBytes).toBe(planned.weightBytes);
  await expect(on("tellme", "kv260", { path: out })).rejects.toMatchObject({
    message: expect.stringContaining("model.layers.0.self_attn.q_proj does not fit tellme"),
  });
  await expect(
    on("t-mac", "surface-book-3", { path: out, recipe: await loadRecipe("rtn-int2-g64") }),
  ).rejects.toMatchObject({ fix: expect.stringContaining("drop --recipe") });
});

describe("sums", () => {
  test("a phase is its linears, a request the prompt and every further token", async () => {
    const found = await on("tellme", "kv260");
    const [prefill, decode] = [phase(found.prefill), phase(found.decode)];
    const seconds = prefill.kinds.reduce((sum, kind) => sum + kind.cycles / 250e6, 0);
    expect(prefill.seconds).toBeCloseTo(seconds, 12);
    expect(prefill.tokensPerSecond).toBeCloseTo(64 / seconds, 6);
    expect(found.request?.seconds).toBeCloseTo(prefill.seconds + 10 * decode.seconds, 12);
    expect(decode.joulesPerToken).toBeCloseTo(4.8 * decode.seconds, 12);
  });

  test("a float linear costs the reading of its weight", async () => {
    const head = phase((await on("tellme", "kv260")).decode).kinds.at(-1);
    expect(head).toMatchObject({ kind: "lm_head", bound: "weight stream", unitRate: null, lookups: 0 });
    expect(head?.seconds).toBeCloseTo((2048 * 256 * 2) / 17.1e9, 12);
  });

  test("operations are what the linears stand for: 2 · N · K a token", async () => {
    const { kinds } = phase((await on("t-mac", "surface-book-3")).prefill);
    const operations = kinds.reduce((sum, kind) => sum + kind.operations, 0);
    expect(operations).toBe(2 * 64 * (3145728 + 2048 * 256));
  });

  test("the hungriest linear decides what fits on the chip", async () => {
    const found = await on("tellme", "kv260");
    // down and gate: ⌈(256/16) · 10 / 4096⌉ and ⌈(768/16) · 4 / 4096⌉ are one block deep, 16 blocks wide
    expect(found.memory[0]).toMatchObject({
      memory: "uram",
      usedBytes: 16 * 36864,
      availableBytes: 64 * 36864,
    });
  });
});

test("published results stand beside the estimate with their sources, those of other targets do not", async () => {
  const { published } = await on("tellme", "kv260");
  expect(published.map(({ value, unit }) => `${value} ${unit}`)).toContain("25 tok/s");
  expect(published.every(({ target, source }) => target === "tellme" && source !== "")).toBe(true);
});

test("a phase without a cost says why, and the other is estimated", async () => {
  const found = await on("lut-gemm", "a100");
  expect(found.prefill).toMatchObject({ refused: { reason: expect.stringMatching(/cuBLAS/) } });
  expect(phase(found.decode).seconds).toBeGreaterThan(0);
  expect(found.request).toBe(null);
});

describe("what cannot be estimated is refused with the way out", () => {
  test("a target without a cost model", async () => {
    const without = targets.filter(({ cost }) => cost === undefined);
    expect(without.length).toBeGreaterThan(0);
    for (const { name } of without)
      await expect(on(name, "kv260")).rejects.toMatchObject({
        message: `there is no cost model for ${name}`,
        fix: expect.stringContaining("t-mac"),
      });
  });

  test("a device of another kind", async () => {
    await expect(on("t-mac", "kv260")).rejects.toMatchObject({
      usage: true,
      message: expect.stringContaining("runs on a cpu"),
    });
  });

  test("a device that does not say how the target is built on it", async () => {
    await expect(on("lut-tensor-core", "a100")).rejects.toMatchObject({
      fix: expect.stringContaining("designs.lut-tensor-core with peakOperationsPerSecond"),
    });
  });

  test("a parameter that the target does not have", async () => {
    await expect(on("tellme", "kv260", { parameters: { q: 8 } })).rejects.toMatchObject({
      fix: expect.stringContaining("columnsPerCycle"),
    });
  });
});

test("every target with a cost model is estimated on a shipped device with its typical rule", async () => {
  const devices: Record<string, [string, object]> = {
    "t-mac": ["surface-book-3", {}],
    tellme: ["kv260", {}],
    "lut-tensor-core": ["a100-lut-4x", {}],
    "lut-gemm": ["a100", {}],
    "bitnet-cpp": ["m2-ultra", { kernel: "tl1" }],
    "lut-llm": ["v80", {}],
  };
  expect(
    targets
      .filter(({ cost }) => cost)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(Object.keys(devices).sort());
  for (const [target, [device, parameters]] of Object.entries(devices)) {
    const { decode, notes } = await on(target, device, { parameters: parameters as Record<string, unknown> });
    expect(phase(decode).seconds).toBeGreaterThan(0);
    expect(notes.at(-1)).toMatch(/not modelled: attention/);
  }
});
