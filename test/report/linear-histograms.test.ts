import { appendFileSync, cpSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { linearHistograms } from "../../src/report/linear-histograms.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { recipeOf, suiteFolder } from "../pipeline/run.js";

const folder = suiteFolder();
const [model, run] = [path.join(folder, "model"), path.join(folder, "run")];
const kernels = openKernels();

const recipe = recipeOf([
  { match: "lm_head", keep: "float" },
  { match: "*", quantize: { method: "rtn", bits: 2, group: 32, symmetric: true } },
]);

beforeAll(async () => {
  await writeMadeUpModel(model);
  await quantize({ model, recipe, out: run, kernels });
});

test("of each kind the linear with the largest error is counted, the worst first", async () => {
  const { linears } = await linearHistograms(run);
  const entries = (await readQuantizedIndex(run)).linears;
  const worst = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].map((kind) =>
    Math.max(...entries.filter(({ name }) => name.endsWith(kind)).map(({ relativeError }) => relativeError)),
  );
  expect(linears.map(({ relativeError }) => relativeError)).toEqual(worst.sort((a, b) => b - a));
});

test("the counts are those of the checkpoint's weights", async () => {
  const { linears, withoutCheckpoint } = await linearHistograms(run);
  expect(withoutCheckpoint).toBeNull();
  const [{ name, weights }] = linears;
  const checkpoint = await openDequantized(model);
  const { data } = await readMatrix(checkpoint, `${name}.weight`, kernels);
  await checkpoint.close();
  expect(weights.of).toBe("checkpoint");
  expect(weights.counts.reduce((sum, count) => sum + count, 0)).toBe(data.length);
  expect(weights.first).toBe(data.reduce((a, b) => Math.min(a, b)));
  const below = weights.counts.slice(0, 48).reduce((sum, count) => sum + count, 0);
  expect(below).toBe(data.filter((value) => value < weights.first + 48 * weights.width).length);
});

test("a group's grid has the levels of its scheme, evenly apart for INT2", async () => {
  for (const { grid } of (await linearHistograms(run)).linears) {
    const { levels, firstColumn, lastColumn } = grid ?? { levels: [], firstColumn: 0, lastColumn: 0 };
    expect(lastColumn - firstColumn).toBe(31);
    expect(levels.length).toBeLessThanOrEqual(4);
    expect(levels.length).toBeGreaterThan(1);
    const scale = Math.abs(levels[0]) / 2; // codes −2 … 1
    for (const level of levels) expect(Math.round(level / scale)).toBeCloseTo(level / scale, 4);
  }
});

test("without the checkpoint as it was, quantized weights are counted and the reason is said", async () => {
  const changed = path.join(folder, "changed");
  cpSync(model, changed, { recursive: true });
  const other = path.join(folder, "other");
  await quantize({ model: changed, recipe, out: other, kernels });
  appendFileSync(path.join(changed, "config.json"), " ");
  const { linears, withoutCheckpoint } = await linearHistograms(other);
  expect(withoutCheckpoint).toContain("no longer what the run was made from");
  expect(linears[0].weights.of).toBe("quantized");
});

test("inputs are counted where a method measured them: every channel once, the largest at or above the mean", async () => {
  const measured = path.join(folder, "measured");
  const { recipe: smooth, ...rest } = await loadRecipe("smoothquant-w8a8");
  const calibration = { text: text(), split: "train", samples: 4, length: 32 } as const;
  await quantize({
    model,
    recipe: { ...rest, recipe: { ...smooth, calibration, evaluate: [] } },
    out: measured,
    kernels,
  });
  const { linears, withoutCheckpoint } = await linearHistograms(measured);
  expect(withoutCheckpoint).toContain("transforms changed the weights");
  const { inputs } = linears.find(({ name }) => name.endsWith("q_proj")) ?? { inputs: null };
  expect(inputs).toMatchObject({ tokens: 128, channels: 128 });
  for (const bins of [inputs?.largest, inputs?.rootMeanSquare])
    expect(bins?.counts.reduce((sum, count) => sum + count, 0)).toBe(128);
  expect(inputs?.largest.first).toBeGreaterThanOrEqual(inputs?.rootMeanSquare.first ?? Number.NaN);
});

const text = () => path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");
