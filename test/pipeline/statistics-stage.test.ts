import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { openSpill, type Spill } from "../../src/model/spill.js";
import { observeModel } from "../../src/pipeline/observe-model.js";
import { readAll } from "../../src/pipeline/quantized-files.js";
import type { StatisticsSource } from "../../src/pipeline/statistics-files.js";
import { measureInputs, type WantedStatistics } from "../../src/pipeline/statistics-stage.js";
import { type DequantizedCheckpoint, openDequantized } from "../../src/schemes/stored/dequantized.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const windows = Array.from({ length: 3 }, (_, at) =>
  Int32Array.from({ length: 40 }, (_, i) => (i * 37 + at * 501) % 2048),
);
const source: StatisticsSource = {
  versions: { luthier: "0" },
  model: { "model.safetensors": "00" },
  text: { sha256: "11", windows: 3, length: 40 },
  transforms: [],
};
const q = "model.layers.1.self_attn.q_proj";
const projections = ["q", "k", "v"].map((name) => `model.layers.1.self_attn.${name}_proj`);
const down = "model.layers.3.mlp.down_proj";

async function measure(
  run: string,
  wanted: WantedStatistics,
  changes: {
    source?: StatisticsSource;
    change?: (checkpoint: DequantizedCheckpoint) => DequantizedCheckpoint;
    spill?: Spill;
  } = {},
) {
  const checkpoint = await openDequantized(bundledModel);
  const passes: string[] = [];
  try {
    const statistics = await measureInputs(
      {
        run,
        checkpoint: changes.change?.(checkpoint) ?? checkpoint,
        windows,
        source: changes.source ?? source,
        kernels,
        ...(changes.spill && { spill: changes.spill }),
        onProgress: ({ stage, done, total }) => void passes.push(`${stage} ${done}/${total}`),
      },
      wanted,
    );
    return { statistics, passes };
  } finally {
    await checkpoint.close();
  }
}

const onePass = ["statistics 1/4", "statistics 2/4", "statistics 3/4", "statistics 4/4"];

describe("statistics of a run's inputs", async () => {
  const run = suiteFolder();
  const folder = path.join(run, "statistics", "checkpoint");
  const first = await measure(run, { linears: [q, down], second: true });
  const before = hashesOf(run, ["statistics"]);

  test("are the same bytes where hidden states lie in files", async () => {
    const other = temporaryFolder();
    const spill = openSpill(other, 0);
    await measure(other, { linears: [q, down], second: true }, { spill });
    expect(spill.size().spilledBytes).toBeGreaterThan(0);
    spill.close();
    expect(hashesOf(other, ["statistics"])).toEqual(before);
  });

  test("are those of the inputs that the float model computes, one for all linears of an input", async () => {
    const seen: Float32Array[] = [];
    const checkpoint = await openDequantized(bundledModel);
    await observeModel({ checkpoint, windows, kernels }, () => {}, {
      observe: (linears, { data }) => void (linears[0] === q && seen.push(data.slice())),
    });
    await checkpoint.close();
    expect(first.statistics.inputs).toEqual([projections, [down]]);
    const { tokens, meanSquare, largest, second } = await first.statistics.of(projections[2]);
    expect(tokens).toBe(120);
    const size = 256;
    const values = Float32Array.from(seen.flatMap((batch) => [...batch]));
    for (const channel of [0, 17, 255]) {
      let [square, most, product] = [0, 0, 0];
      for (let t = 0; t < tokens; t++) {
        const x = values[t * size + channel];
        square += x * x;
        most = Math.max(most, Math.abs(x));
        product += x * values[t * size + 40];
      }
      expect(meanSquare[channel]).toBeCloseTo(square / tokens, 5);
      expect(largest[channel]).toBe(most);
      expect(second!.data[channel * size + 40]).toBeCloseTo(product / tokens, 4);
      expect(second!.data[channel * size + channel]).toBeCloseTo(meanSquare[channel], 4);
    }
    expect((await first.statistics.of(down)).mean).toHaveLength(768);
    await expect(async () => first.statistics.of("lm_head")).rejects.toThrow("was not measured");
    expect(first.passes).toEqual(onePass);
  });

  test("are one file an input, and an index that says what made them", () => {
    expect(readdirSync(folder).sort()).toEqual([
      `${q}.safetensors`,
      `${down}.safetensors`,
      "statistics.json",
    ]);
    const index = JSON.parse(readFileSync(path.join(folder, "statistics.json"), "utf8"));
    expect(index).toMatchObject({ format: "luthier-statistics", version: 1, source });
    expect(index.inputs[0]).toMatchObject({ linears: projections, tokens: 120, second: true });
  });

  test("are read back when all that made them is the same", async () => {
    const { statistics, passes } = await measure(run, { linears: [projections[1]], second: true });
    expect(passes).toEqual([]);
    expect(statistics.inputs).toEqual([projections]);
    expect(await statistics.of(q)).toEqual(await first.statistics.of(q));
    const small = await measure(run, { linears: [q], second: false });
    expect(small.passes).toEqual([]);
    expect((await small.statistics.of(q)).second).toBeNull();
  });

  test.each([
    ["cut", (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 700))],
    ["changed", (file: string) => writeFileSync(file, readFileSync(file).fill(1, 900, 901))],
    ["missing", (file: string) => rmSync(file)],
  ])("are measured anew where a file is %s, the same", async (_, damage) => {
    for (const file of [`${q}.safetensors`, "statistics.json"]) {
      damage(path.join(folder, file));
      const { passes } = await measure(run, { linears: [q, down], second: true });
      expect(passes).toEqual(onePass);
      expect(hashesOf(run, ["statistics"])).toEqual(before);
    }
  });

  test("that asked for less are measured again by who asks for more; others stay", async () => {
    const other = temporaryFolder();
    await measure(other, { linears: [q, down], second: false });
    const file = path.join(other, "statistics", "checkpoint", `${q}.safetensors`);
    expect(Object.keys(await readAll(file)).sort()).toEqual([
      "largest",
      "mean",
      "mean_magnitude",
      "mean_square",
    ]);
    expect((await measure(other, { linears: [q], second: true })).passes).toEqual(onePass);
    expect((await measure(other, { linears: [down], second: false })).passes).toEqual([]);
    expect(Object.keys(await readAll(file))).toContain("second");
  });

  test("of another text or model are measured anew, after transforms in a folder of their own", async () => {
    const text = { ...source.text!, sha256: "22" };
    const other = temporaryFolder();
    await measure(other, { linears: [q], second: false });
    const again = await measure(other, { linears: [down], second: false }, { source: { ...source, text } });
    expect(again.passes).toEqual(onePass);
    expect(readdirSync(path.join(other, "statistics", "checkpoint")).sort()).toEqual([
      `${down}.safetensors`,
      "statistics.json",
    ]);
    const transforms = [{ transform: "pairing", fitted: "33" }];
    await measure(other, { linears: [q], second: false }, { source: { ...source, transforms } });
    expect(readdirSync(path.join(other, "statistics"))).toEqual(["after-pairing", "checkpoint"]);
  });

  test("that are not finite are reported by the linears' names", async () => {
    const norm = "model.layers.1.input_layernorm.weight";
    const broken = (checkpoint: DequantizedCheckpoint): DequantizedCheckpoint => ({
      ...checkpoint,
      async read(name, rows) {
        const bytes = await checkpoint.read(name, rows);
        if (name === norm) bytes.set([0x7f, 0x7f], 6 * (bytes.length / 256) + bytes.length / 256 - 2);
        return bytes;
      },
    });
    const wanted = { linears: [q], second: false };
    await expect(measure(temporaryFolder(), wanted, { change: broken })).rejects.toThrow(
      `the input of ${projections.join(", ")} is not finite at channel 6`,
    );
  });
});
