import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { calibrationText } from "../../src/pipeline/calibration-text.js";
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
import { parseRecipe } from "../../src/recipe/parse.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { quantizeToken } from "../../src/schemes/activation.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import { dequantize } from "../../src/schemes/weights.js";
import { findTarget } from "../../src/targets/registry.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { writeMadeUpModel } from "./made-up-model.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));

/** Every linear of the blocks by one rule. */
function recipeOf(rule: object, changes: object = {}): LoadedRecipe {
  const text = JSON.stringify({
    version: 1,
    calibration: { text: "the-miller-of-ashcombe.txt", samples: 4, length: 32 },
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", ...rule },
    ],
    ...changes,
  });
  return {
    name: "test",
    file: path.join(corpora, "test.yaml"),
    text,
    recipe: parseRecipe(text, "test.yaml"),
  };
}

const ternary = { quantize: { method: "twn" } };
const corrected = recipeOf({ ...ternary, biasCorrection: "mean" });

async function runOf(recipe: LoadedRecipe, folder = path.join(temporaryFolder(), "run"), of = model) {
  await quantize({ model: of, recipe, out: folder, kernels });
  return folder;
}

describe("a run whose linears have biases of their own", async () => {
  const run = await runOf(corrected, path.join(suite, "corrected"));

  test.each([
    ["by weights alone", corrected],
    ["with INT8 inputs", recipeOf({ ...ternary, biasCorrection: "mean", activation: { scheme: "int8" } })],
    [
      "with compensation",
      recipeOf({ quantize: { method: "gptq", bits: 2, group: 32 }, biasCorrection: "mean" }),
    ],
  ])("%s: outputs have the float model's mean on the calibration text", async (_, recipe) => {
    const folder = recipe === corrected ? run : await runOf(recipe);
    const [float, quantized] = [await meanOutputs(model, recipe), await meanOutputs(folder, recipe)];
    expect(float.size).toBe(14);
    for (const [name, expected] of float) {
      const found = quantized.get(name) as Float64Array;
      const size = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0));
      const apart = Math.sqrt(expected.reduce((sum, value, i) => sum + (value - found[i]) ** 2, 0));
      expect(apart / size, name).toBeLessThan(1e-4);
    }
  });

  test("without the correction they do not", async () => {
    const plain = recipeOf(ternary);
    const [float, quantized] = [
      await meanOutputs(model, plain),
      await meanOutputs(await runOf(plain), plain),
    ];
    const [name, expected] = [...float][0];
    const found = quantized.get(name) as Float64Array;
    expect(Math.max(...expected.map((value, i) => Math.abs(value - found[i])))).toBeGreaterThan(1e-2);
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
  const inputs = await meanInputs(model, recipe);
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
      { ...ternary, biasCorrection: "mean" },
      { calibration: undefined },
      /biasCorrection is fitted/,
    ],
    ["a dead zone of codes", { quantize: { method: "rtn" }, biasCorrection: "dead-zone" }, {}, /no trits/],
    [
      "a target that keeps whole models",
      { quantize: { method: "rtn", bits: 4, group: 32 }, biasCorrection: "mean" },
      { targets: [{ target: "onnx" }] },
      /bias of its own/,
    ],
    ["the head", { match: "*", ...ternary, biasCorrection: "mean" }, {}, /head belongs to none/],
  ])("%s", async (_, rule, changes, reason) => {
    const recipe = recipeOf(rule, changes);
    const all =
      "match" in rule
        ? { ...recipe, recipe: { ...recipe.recipe, rules: recipe.recipe.rules.slice(1) } }
        : recipe;
    await expect(planModel(model, all)).rejects.toThrow(reason);
  });

  test("a rule that keeps its linears float", () => {
    expect(() => recipeOf({ keep: "float", biasCorrection: "mean" })).toThrow(/takes no `biasCorrection`/);
  });
});

describe("on the bundled model", () => {
  test.each([
    ["INT2", { quantize: { method: "rtn", bits: 2, group: 64, clip: true } }],
    ["one trit plane", { quantize: { method: "trit-planes", planes: 1 } }],
  ])("%s: the mean correction lowers perplexity", async (_, rule) => {
    const calibration = { text: "the-miller-of-ashcombe.txt", samples: 16, length: 128 };
    const [plain, own] = await Promise.all(
      [{}, { biasCorrection: "mean" }].map(async (more) => {
        const recipe = recipeOf({ ...rule, ...more }, { calibration });
        return perplexity(await runOf(recipe, path.join(temporaryFolder(), "run"), bundledModel), "float");
      }),
    );
    expect(own).toBeLessThan(plain);
  });
});

async function perplexity(folder: string, engine: "float" | "lut"): Promise<number> {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 3000));
  return (await evaluatePerplexity({ path: folder, engine, kernels, text: { text }, context: 48 }))
    .perplexity;
}

/** The mean of what every linear is multiplied with on the calibration text. */
async function meanInputs(folder: string, recipe: LoadedRecipe): Promise<ReadonlyMap<string, Float64Array>> {
  const sums = new Map<string, Float64Array>();
  let tokens = 0;
  const rounded = folder !== model && recipe.recipe.rules[1].activation?.scheme === "int8";
  const observe = (linears: readonly string[], input: Matrix) => {
    const { rows, columns, data } = rounded ? asInt8(input) : input;
    for (const name of linears) {
      const sum = sums.get(name) ?? new Float64Array(columns);
      for (let i = 0; i < data.length; i++) sum[i % columns] += data[i];
      sums.set(name, sum);
    }
    if (linears.includes("model.layers.0.self_attn.q_proj")) tokens += rows;
  };
  const opened = await openModelAt({ path: folder, engine: "float", kernels, observe });
  await opened.model.run((await calibrationText(recipe, model, opened.model.description)).windows);
  await opened.close();
  return new Map([...sums].map(([name, sum]) => [name, sum.map((value) => value / tokens)]));
}

function asInt8({ rows, columns, data }: Matrix): Matrix {
  const tokens = Array.from({ length: rows }, (_, row) => {
    const { codes, scale } = quantizeToken(data.subarray(row * columns, (row + 1) * columns));
    return Array.from(codes, (code) => code / scale);
  });
  return matrix(rows, columns, Float32Array.from(tokens.flat()));
}

/** The mean of every linear's output there. */
async function meanOutputs(folder: string, recipe: LoadedRecipe): Promise<ReadonlyMap<string, Float64Array>> {
  const inputs = await meanInputs(folder, recipe);
  const isRun = folder !== model;
  const entries = new Map(
    isRun ? (await readQuantizedIndex(folder)).linears.map((each) => [each.name, each]) : [],
  );
  const checkpoint = await openDequantized(model);
  const outputs = new Map<string, Float64Array>();
  for (const [name, mean] of inputs) {
    const entry = entries.get(name);
    const file = path.join(quantizedFolder(folder), entry?.file ?? "");
    const weight = entry
      ? dequantize(await readScheme(file, entry.weight))
      : await readMatrix(checkpoint, `${name}.weight`, kernels);
    const bias = entry?.bias ? await readBias(file, weight.rows) : new Float32Array(weight.rows);
    const out = Float64Array.from(bias);
    for (let row = 0; row < weight.rows; row++)
      for (let i = 0; i < weight.columns; i++) out[row] += weight.data[row * weight.columns + i] * mean[i];
    outputs.set(name, out);
  }
  await checkpoint.close();
  return outputs;
}
