import { describe, expect, test } from "vitest";
import { type EstimatedLinear, estimateLinears, type Phase } from "../../src/pipeline/estimate-linears.js";
import { loadDevice } from "../../src/recipe/device.js";
import { lutLlmCost } from "../../src/targets/lut-llm/cost.js";
import type { Target } from "../../src/targets/target.js";
import { layer, productOf } from "../targets/lut-llm/qwen3.js";

/** Qwen3-1.7B from outlines alone, its head float. */
const linears = (bits: 4 | 8): EstimatedLinear[] => [
  ...Array.from({ length: 28 }, (_, block) =>
    layer.map((of) => {
      const { weight, activation, sharing } = productOf(of, bits, 1);
      const { rows, columns } = of;
      const quantized = { weight, activation };
      return { name: `model.layers.${block}.${of.name}`, rows, columns, quantized, sharing, floatBytes: 0 };
    }),
  ).flat(),
  { name: "lm_head", rows: 151_936, columns: 2048, quantized: null, floatBytes: 151_936 * 2048 * 2 },
];
const estimateOf = async (bits: 4 | 8, prefill = 128) =>
  estimateLinears({
    ...{ model: "qwen3-1.7b", rules: "outlines", cost: lutLlmCost, device: await loadDevice("v80") },
    // Of a target the estimate reads the name alone.
    target: { name: "lut-llm" } as Target,
    ...{ parameters: {}, linears: linears(bits), prefill, decode: 256 },
  });
const cyclesOfLayers = (phase: object) =>
  (phase as Phase).kinds
    .filter(({ kind }) => kind !== "lm_head")
    .reduce((sum, { cycles }) => sum + cycles, 0) / 28;

describe("Qwen3-1.7B with tables, on a V80", () => {
  test("a layer takes the cycles of its fused projections", async () => {
    expect(cyclesOfLayers((await estimateOf(8)).decode)).toBe(61_440);
    expect(cyclesOfLayers((await estimateOf(4)).decode)).toBe(6144 + 64 * 65 + 18_432 + 192 * 65);
    expect(cyclesOfLayers((await estimateOf(4)).prefill)).toBe(128 * (64 * (8 + 4 + 24) + 192 * 4));
  });

  test("weights are the bytes of the images and the head, told by kind", async () => {
    const { weightBytes, weightParts } = await estimateOf(8);
    const parts = { tables: 1344 * 2 ** 20, ids: 336 * 2 ** 20, codebooks: 28 * 6144 * 64 * 8 };
    expect(Object.fromEntries(weightParts.map(({ what, bytes }) => [what, bytes]))).toEqual(parts);
    const images = parts.tables + parts.ids + parts.codebooks + 28 * 36 * 8;
    expect(weightBytes).toBe(images + 151_936 * 2048 * 2);
  });

  test("what the representations load stands side by side: weights alone least, inputs alone most", async () => {
    const { alternatives, weightParts } = await estimateOf(8);
    const [weights, inputs, both] = alternatives;
    expect(alternatives.map(({ name }) => name)).toEqual(["weights alone", "inputs alone", "both"]);
    expect(both.bytes).toBe(weightParts.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(both.cycles).toBe(both.bytes / 1024);
    expect(weights.bytes).toBeLessThan(both.bytes);
    expect(inputs.bytes).toBeGreaterThan(16 * both.bytes);
    expect(weights.arithmetic).toBeGreaterThan(3 * both.arithmetic);
    expect(inputs.arithmetic).toBe(both.arithmetic);
  });

  test("memory is asked for by the longest prompt", async () => {
    const uram = async (prefill: number) =>
      (await estimateOf(8, prefill)).memory.find(({ memory }) => memory === "uram");
    expect(await uram(128)).toMatchObject({
      usedBytes: (128 * 12_288 * 9) / 2,
      availableBytes: 1878 * 36_864,
    });
    expect((await uram(32))?.usedBytes).toBe((32 * 12_288 * 9) / 2);
  });

  test("energy is the published power times the time", async () => {
    const { decode, power } = await estimateOf(4);
    const { joulesPerToken, seconds } = decode as Phase;
    expect(power?.watts).toBe(62.751);
    expect(joulesPerToken).toBeCloseTo(62.751 * seconds, 9);
  });

  test("operations are those of the products that lookups stand for", async () => {
    const { kinds, lookups } = (await estimateOf(8)).decode as Phase;
    const operations = kinds
      .filter(({ lookups }) => lookups > 0)
      .reduce((sum, each) => sum + each.operations, 0);
    expect(operations).toBe(lookups * 2 * 2); // an entry is two products and their additions
  });
});
