import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { inspectLinear } from "../../src/pipeline/inspect.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { packRun } from "../../src/pipeline/pack.js";
import { planModel, quantize } from "../../src/pipeline/quantize.js";
import {
  quantizedFolder,
  readBias,
  readQuantizedIndex,
  readScheme,
} from "../../src/pipeline/quantized-files.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { quantizeToken } from "../../src/schemes/activation.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import { dequantize } from "../../src/schemes/weights.js";
import { findTarget } from "../../src/targets/registry.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder, windowsOf } from "./run.js";

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));

/** Every linear of the blocks by one rule. */
const recipeOf = (rule: object, changes: object = {}) => calibratedRecipe([{ match: "*", ...rule }], changes);

const ternary = { quantize: { method: "twn", group: 64 } };
const corrected = recipeOf({ ...ternary, biasCorrection: "float" });

async function runOf(recipe: LoadedRecipe, folder = path.join(temporaryFolder(), "run")) {
  await quantize({ model, recipe, out: folder, kernels });
  return folder;
}

describe("a run whose linears have biases of their own", async () => {
  const run = await runOf(corrected, path.join(suite, "corrected"));

  const int8 = { activation: { scheme: "int8" } };
  const compensated = { quantize: { method: "gptq", bits: 2, group: 32 } };
  test.each([
    ["by weights alone", "float", ternary],
    ["with INT8 inputs", "float", { ...ternary, ...int8 }],
    ["with compensation", "float", compensated],
    ["by weights alone", "own", ternary],
    ["with INT8 inputs", "own", { ...ternary, ...int8 }],
  ])("%s, aim %s: outputs have that mean on the calibration text", async (_, biasCorrection, rule) => {
    const recipe = recipeOf({ ...rule, biasCorrection });
    const folder = await runOf(recipe);
    const aim = await meanOutputs(biasCorrection === "float" ? model : folder, recipe, "checkpoint");
    const found = await meanOutputs(folder, recipe, "run");
    expect(aim.size).toBe(14);
    for (const [name, expected] of aim) expect(distance(found.get(name), expected), name).toBeLessThan(1e-4);
  });

  test("without the correction they do not", async () => {
    const plain = recipeOf(ternary);
    const folder = await runOf(plain);
    const [aim, found] = [
      await meanOutputs(folder, plain, "checkpoint"),
      await meanOutputs(folder, plain, "run"),
    ];
    for (const [name, expected] of aim)
      expect(distance(found.get(name), expected), name).toBeGreaterThan(0.05);
  });

  test("codes of methods that look at weights alone are as without it", async () => {
    const plain = await runOf(recipeOf(ternary));
    for (const { name, file, weight } of (await readQuantizedIndex(plain)).linears) {
      const [a, b] = [plain, run].map((folder) =>
        readScheme(path.join(quantizedFolder(folder), file), weight),
      );
      expect(await a, name).toEqual(await b);
    }
  });

  test("a run that lost some of its linears gets the same bytes again", async () => {
    const out = await runOf(corrected);
    const before = hashesOf(out, ["quantized"]);
    expect(before).toEqual(hashesOf(run, ["quantized"]));
    const linears = path.join(out, "quantized", "linears");
    for (const file of readdirSync(linears).sort().slice(3, 9))
      writeFileSync(path.join(linears, file), "cut short");
    await runOf(corrected, out);
    expect(hashesOf(out, ["quantized"])).toEqual(before);
  });

  test("the engine adds them to a pack's products, and verification and inspection know them", async () => {
    const out = await runOf(corrected);
    await packRun({ run: out, target: targetChoice(findTarget("t-mac"), {}) });
    const [lut, float] = [await perplexity(out, "lut"), await perplexity(out, "float")];
    expect(Math.abs(lut / float - 1)).toBeLessThan(0.01);
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
    const [{ name, file, weight }] = (await readQuantizedIndex(out)).linears;
    const bias = await readBias(path.join(quantizedFolder(out), file), weight.rows);
    expect((await inspectLinear(out, name)).bias).toEqual({
      least: Math.min(...bias),
      most: Math.max(...bias),
    });
  });

  test("a linear's file without its bias is an error that names it", async () => {
    const plain = await runOf(recipeOf(ternary));
    const [{ file, weight }] = (await readQuantizedIndex(plain)).linears;
    const whole = path.join(quantizedFolder(plain), file);
    await expect(readBias(whole, weight.rows)).rejects.toThrow(`${whole} has no bias of ${weight.rows}`);
    const other = path.join(quantizedFolder(run), file);
    await expect(readBias(other, weight.rows + 1)).rejects.toThrow(/has no bias/);
  });
});

test("dead zones: the bias is the sum of the weights that became zero times their mean inputs", async () => {
  const recipe = recipeOf({ ...ternary, biasCorrection: "dead-zone" });
  const run = await runOf(recipe);
  const inputs = await meanInputs(run, recipe, false);
  const checkpoint = await openDequantized(model);
  for (const { name, file, weight } of (await readQuantizedIndex(run)).linears) {
    const { data } = await readMatrix(checkpoint, `${name}.weight`, kernels);
    const zeros = dequantize(await readScheme(path.join(quantizedFolder(run), file), weight)).data;
    const bias = await readBias(path.join(quantizedFolder(run), file), weight.rows);
    const mean = inputs.get(name) as Float64Array;
    for (let row = 0; row < weight.rows; row++) {
      let sum = 0;
      for (let i = 0; i < weight.columns; i++)
        if (zeros[row * weight.columns + i] === 0) sum += data[row * weight.columns + i] * mean[i];
      expect(bias[row]).toBeCloseTo(sum, 4);
    }
  }
  await checkpoint.close();
});

describe("refused before any work", () => {
  test.each([
    [
      "no calibration text",
      { ...ternary, biasCorrection: "own" },
      { calibration: undefined },
      /biasCorrection is fitted/,
    ],
    [
      "a dead zone of codes",
      { quantize: { method: "rtn", group: 64 }, biasCorrection: "dead-zone" },
      {},
      /no trits/,
    ],
    [
      "a target that keeps whole models",
      { quantize: { method: "rtn", bits: 4, group: 32 }, biasCorrection: "own" },
      { targets: [{ target: "onnx" }] },
      /bias of its own/,
    ],
    ["the head", { match: "*", ...ternary, biasCorrection: "own" }, {}, /head belongs to none/],
  ])("%s", async (_, rule, changes, reason) => {
    const recipe = recipeOf(rule, changes);
    const all =
      "match" in rule
        ? { ...recipe, recipe: { ...recipe.recipe, rules: recipe.recipe.rules.slice(1) } }
        : recipe;
    await expect(planModel(model, all)).rejects.toThrow(reason);
  });

  test("a rule that keeps its linears float", () => {
    expect(() => recipeOf({ keep: "float", biasCorrection: "own" })).toThrow(/takes no `biasCorrection`/);
  });
});

async function perplexity(folder: string, engine: "float" | "lut"): Promise<number> {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 3000));
  return (await evaluatePerplexity({ path: folder, engine, kernels, text: { text }, context: 48 }))
    .perplexity;
}

/** The mean of every linear's input on the calibration text, the first token of each window left out. */
async function meanInputs(
  folder: string,
  recipe: LoadedRecipe,
  rounded: boolean,
): Promise<ReadonlyMap<string, Float64Array>> {
  const sums = new Map<string, Float64Array>();
  const observe = (linears: readonly string[], input: Matrix) => {
    const { columns, data } = rounded ? asInt8(input) : input;
    for (const name of linears) {
      const sum = sums.get(name) ?? new Float64Array(columns);
      for (const [i, value] of data.entries()) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        if (row % 32 !== 0) sum[column] += value / (4 * 31);
      }
      sums.set(name, sum);
    }
  };
  const opened = await openModelAt({ path: folder, engine: "float", kernels, observe });
  await opened.model.run(await windowsOf(recipe, model, opened.model.description));
  await opened.close();
  return sums;
}

function asInt8({ rows, columns, data }: Matrix): Matrix {
  const tokens = Array.from({ length: rows }, (_, row) => {
    const { codes, scale } = quantizeToken(data.subarray(row * columns, (row + 1) * columns));
    return Array.from(codes, (code) => code / scale);
  });
  return matrix(rows, columns, Float32Array.from(tokens.flat()));
}

/** The mean of every linear's output, of the checkpoint's weights or the run's, on the inputs that a folder's model has. */
async function meanOutputs(
  folder: string,
  recipe: LoadedRecipe,
  weights: "checkpoint" | "run",
): Promise<ReadonlyMap<string, Float64Array>> {
  const isRounded = weights === "run" && recipe.recipe.rules[1].activation?.scheme === "int8";
  const entries = weights === "run" ? (await readQuantizedIndex(folder)).linears : [];
  const checkpoint = await openDequantized(model);
  const outputs = new Map<string, Float64Array>();
  for (const [name, mean] of await meanInputs(folder, recipe, isRounded)) {
    const entry = entries.find((each) => each.name === name);
    const file = path.join(quantizedFolder(folder), entry?.file ?? "");
    const weight = entry
      ? dequantize(await readScheme(file, entry.weight))
      : await readMatrix(checkpoint, `${name}.weight`, kernels);
    const out = Float64Array.from(
      entry?.bias ? await readBias(file, weight.rows) : new Float32Array(weight.rows),
    );
    for (const [i, value] of weight.data.entries())
      out[Math.floor(i / weight.columns)] += value * mean[i % weight.columns];
    outputs.set(name, out);
  }
  await checkpoint.close();
  return outputs;
}

/** How far vectors are apart, in lengths of the second. */
function distance(a: Float64Array | undefined, b: Float64Array): number {
  const squares = (of: (i: number) => number) => b.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(squares((i) => (a?.[i] ?? 0) - b[i]) / squares((i) => b[i]));
}
