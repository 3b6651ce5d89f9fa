import { describe, expect, test } from "vitest";
import { loadDevice } from "../../../src/recipe/device.js";
import type { WeightOutline } from "../../../src/schemes/scheme.js";
import { vectorsOutlineOf } from "../../../src/schemes/vectors.js";
import { boundOf, cyclesOf, type LinearCost, type Product } from "../../../src/targets/cost.js";
import { lutLlmCost } from "../../../src/targets/lut-llm/cost.js";
import { lutLlm } from "../../../src/targets/lut-llm/lut-llm.js";
import { cpuDevice, fpgaDevice } from "../device-of.js";
import { layer, outlineOf, productOf } from "./qwen3.js";
import { randomTabled } from "./schemes.js";

const v80 = await loadDevice("v80");
const costsOf = (bits: 4 | 8, tokens: number, device = v80) =>
  layer.map((linear) => lutLlmCost.of(productOf(linear, bits, tokens), device, {}));
const total = (costs: readonly LinearCost[], of: (cost: LinearCost) => number) =>
  costs.reduce((sum, cost) => sum + of(cost), 0);
const stepOf =
  (name: string) =>
  ({ stages: [steps] }: LinearCost) =>
    steps.find((step) => step.name === name)?.cycles ?? Number.NaN;

/** The fused projections in order: positions and outputs. */
const projections = [
  { positions: 1024, outputs: 4096 },
  { positions: 1024, outputs: 2048 },
  { positions: 1024, outputs: 12288 },
  { positions: 3072, outputs: 2048 },
];

/** Words of 64 bytes that one of 16 ports delivers for a layer, counted by the loops of `memory_matcher_w_vq_half_final`. */
function beatsOfLoops(bits: 4 | 8): number {
  const rowsOfTableInBeat = bits === 8 ? 4 : 8;
  let beats = 0;
  for (const { positions, outputs } of projections) {
    for (let row = 0; row < positions >> 4; row++) {
      for (let i = 0; i < 64 / rowsOfTableInBeat; i++) for (let s = 0; s < outputs >> 9; s++) beats++;
      for (let i = 0; i < outputs >> 7; i++) beats++;
    }
  }
  return beats;
}

test.each([4, 8] as const)(
  "weights and scales of a linear alone are the bytes of its pack, uint%i tables",
  (bits) => {
    const weight = randomTabled({ rows: 512, columns: 768, blocks: 2, bits, scales: 4 }, 1);
    const { tensors } = lutLlm.pack(weight, { ports: 32, fidelity: "linears" });
    const packed = Object.values(tensors).reduce((sum, { bytes }) => sum + bytes.length, 0);
    const product = {
      weight: vectorsOutlineOf(weight),
      activation: { scheme: "float" },
      parameters: {},
      tokens: 1,
    };
    const { bytes } = lutLlmCost.of(product as Product, v80, {});
    expect(bytes.weights + bytes.scales).toBe(packed);
  },
);

describe("a layer of Qwen3-1.7B", () => {
  test.each([
    [4, 36_864],
    [8, 61_440],
  ] as const)(
    "uint%i tables: its seven linears add up to the beats of the fused projections",
    (bits, beats) => {
      expect(total(costsOf(bits, 1), stepOf("beats"))).toBe(beats);
      expect(beatsOfLoops(bits)).toBe(beats);
    },
  );

  test("linears of one projection have its beats by their outputs", () => {
    const beats = costsOf(8, 1).map(stepOf("beats"));
    expect(beats).toEqual([5120, 2560, 2560, 5120, 15360, 15360, 15360]);
  });

  test("decoding with uint8 tables waits for beats, with uint4 ones o and down wait for the search", () => {
    expect(total(costsOf(8, 1), cyclesOf)).toBe(61_440);
    const costs = costsOf(4, 1);
    expect(costs.map((cost) => boundOf(cost).name)).toEqual([
      ...["beats", "beats", "beats", "search", "beats", "beats", "search"],
    ]);
    // o and down: 64 + 192 rows of 64 centroids and a token, which are more than 48 beats
    expect(total(costs, cyclesOf)).toBe(6144 + 64 * 65 + 18_432 + 192 * 65);
  });

  test("45,606 cycles are published for decoding: 81 % of the beats with uint4 tables, out of reach with uint8", () => {
    const published = v80.published.find(({ what }) => what === "decoding Qwen3-1.7B, a token");
    const cycles = ((published?.value ?? 0) / 1e3 / 28) * v80.clockHertz.value;
    expect(cycles).toBeCloseTo(45_606, -1);
    expect(total(costsOf(4, 1), stepOf("beats")) / cycles).toBeCloseTo(0.81, 2);
    expect(total(costsOf(4, 1), cyclesOf)).toBeLessThan(cycles);
    expect(total(costsOf(8, 1), cyclesOf)).toBeGreaterThan(cycles);
  });

  test("a prompt waits for lookups: rows · blocks · tokens, below what is published", () => {
    const blocks = projections.reduce((sum, each) => sum + (each.positions / 16) * (each.outputs / 512), 0);
    for (const [tokens, published] of [
      [32, 215_833],
      [128, 1_812_202],
    ]) {
      const costs = costsOf(4, tokens);
      expect(new Set(costs.map((cost) => boundOf(cost).name))).toEqual(new Set(["lookups"]));
      expect(total(costs, cyclesOf)).toBe(blocks * tokens);
      expect(blocks * tokens).toBeLessThan(published);
    }
  });

  test("each output looks up an entry at every position", () => {
    expect(total(costsOf(8, 3), ({ lookups }) => lookups)).toBe(
      3 * projections.reduce((sum, { positions, outputs }) => sum + positions * outputs, 0),
    );
  });

  test("bytes by kind: 1344 MiB of tables in 28 layers, 336 of ids, codebooks once for an input, 36 words of scales", () => {
    const partOf = (what: string) => (cost: LinearCost) =>
      cost.weightParts?.find((part) => part.what === what)?.bytes ?? Number.NaN;
    const costs = costsOf(8, 1);
    const mebibyte = 2 ** 20;
    expect(28 * total(costs, partOf("tables"))).toBe(1344 * mebibyte);
    expect(28 * total(costs, partOf("ids"))).toBe(336 * mebibyte);
    expect(total(costs, partOf("codebooks"))).toBe(6144 * 64 * 8);
    expect(total(costs, ({ bytes }) => bytes.scales)).toBe(36 * 8);
    expect(28 * total(costsOf(4, 1), partOf("tables"))).toBe(672 * mebibyte);
    expect(total(costs, ({ bytes }) => bytes.weights)).toBe(
      total(costs, partOf("tables")) + total(costs, partOf("ids")) + total(costs, partOf("codebooks")),
    );
  });

  test("memory: two rows of the widest projection, and the accumulators of all tokens", () => {
    const up = costsOf(8, 128)[5];
    expect(Object.fromEntries(up.memory.map(({ memory, bytes }) => [memory, bytes]))).toEqual({
      bram: 2 * 16 * (24 * 64 * 16),
      lutram: (2 * 16 * 12288) / 2,
      uram: (128 * 12288 * 9) / 2,
    });
    expect(costsOf(4, 128)[5].memory[0].bytes).toBe(16 * (24 * 64 * 16));
    expect(costsOf(4, 128)[5].memory[2].bytes).toBe((128 * 12288 * 9) / 4);
    expect(costsOf(8, 128)[1].memory[0].bytes).toBe(2 * 16 * (8 * 64 * 16)); // keys, as their projection
  });
});

describe("a linear of no model", () => {
  const { sharing: _, ...product } = productOf(layer[0], 8, 1);

  test("has its tables and codebooks to itself", () => {
    const alone = lutLlmCost.of(product, v80, {});
    expect(alone.weightParts).toEqual([
      { what: "tables", bytes: 1024 * 8 * 64 * 16 },
      { what: "ids", bytes: 1024 * 1024 },
      { what: "codebooks", bytes: 1024 * 64 * 8 },
    ]);
    expect(stepOf("lookups")(alone)).toBe(64 * 8);
  });

  test("whose blocks are wider than a lane takes several cycles a block", () => {
    const weight = { ...outlineOf(layer[3], 8), blocks: 1 };
    expect(stepOf("lookups")(lutLlmCost.of({ ...product, weight }, v80, {}))).toBe(64 * 4);
    const half = { ...outlineOf(layer[3], 8), blocks: 8 };
    expect(stepOf("lookups")(lutLlmCost.of({ ...product, weight: half }, v80, {}))).toBe(64 * 8);
  });
});

describe("refused with the way out", () => {
  const product = productOf(layer[0], 8, 1);

  test("a weight without a table, and codes on a grid", () => {
    const { table: _, ...weightCentroids } = outlineOf(layer[0], 8);
    const codes: WeightOutline = {
      ...{ scheme: "int", bits: 4, symmetric: true },
      ...{ rows: 64, columns: 64, group: 64, scaleRows: 1 },
    };
    for (const weight of [weightCentroids, codes]) {
      expect(lutLlmCost.refuse({ ...product, weight }, v80)?.reason).toContain("no table");
      expect(() => lutLlmCost.of({ ...product, weight }, v80, {})).toThrow(RangeError);
    }
  });

  test("a processor, and a board that does not name its ports", () => {
    expect(lutLlmCost.refuse(product, cpuDevice("avx2"))?.reason).toContain("runs on a fpga");
    expect(lutLlmCost.refuse(product, fpgaDevice)?.fix).toContain("memoryPorts");
    expect(lutLlmCost.refuse(product, v80)).toBe(null);
  });
});

describe("boards", () => {
  test("a row's beats come through the board's ports: a quarter of them takes four times as long", async () => {
    const vpk180 = await loadDevice("vpk180");
    expect(total(costsOf(8, 1, vpk180), stepOf("beats"))).toBe(4 * 61_440);
    expect(total(costsOf(8, 1, await loadDevice("vhk158")), stepOf("beats"))).toBe(61_440);
    expect(total(costsOf(8, 1, await loadDevice("u280")), stepOf("beats"))).toBe(61_440);
  });

  test("memory on the chip is the pool of the authors' model", () => {
    expect(v80.onChip.reduce((sum, { count, bytes }) => sum + count * bytes, 0)).toBe(96_424_960);
  });
});
