import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import type { PartsOutline } from "../../src/schemes/parts.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder, windowsOf } from "./run.js";

/* Methods that cut weights in parts, from recipe to score, on a made-up model of two small blocks. */

const kernels = openKernels();
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));

const recipeOf = (rule: object, changes: object = {}) => calibratedRecipe([{ match: "*", ...rule }], changes);

async function run(recipe: LoadedRecipe, out: string, options: Partial<QuantizeOptions> = {}) {
  await quantize({ model, recipe, out, kernels, ...options });
  return out;
}

const rules = {
  "llm-int8": { quantize: { method: "llm-int8", threshold: 2.5 } },
  fmpq: { quantize: { method: "fmpq", block: 32, share: 0.3 } },
  mixllm: { quantize: { method: "mixllm", share: 0.2, group: 32 }, activation: { scheme: "int8", per: 32 } },
};

describe.each(Object.entries(rules))("%s", async (name, rule) => {
  const recipe = recipeOf(rule);
  const made = await run(recipe, path.join(suite, name));
  const before = hashesOf(made, ["quantized"]);

  test("gives the same bytes on one thread and on two", async () => {
    for (const threads of [1, 2]) {
      const out = await run(recipe, path.join(temporaryFolder(), "run"), {
        kernels: openKernels({ threads }),
      });
      expect(hashesOf(out, ["quantized"])).toEqual(before);
    }
  });

  test("goes on where it stopped, keeping what was finished", async () => {
    const out = await run(recipe, path.join(temporaryFolder(), "run"));
    const linears = path.join(out, "quantized", "linears");
    for (const file of readdirSync(linears).slice(5)) writeFileSync(path.join(linears, file), "cut short");
    await run(recipe, out);
    expect(hashesOf(out, ["quantized"])).toEqual(before);
  });

  test("is computed, and its parts are on record", async () => {
    const { linears } = await readQuantizedIndex(made);
    const outlines = linears.map(({ weight }) => weight as PartsOutline);
    expect(outlines).toHaveLength(14);
    expect(outlines.some(({ parts }) => parts.length === 2)).toBe(true);
    const asParts = name === "mixllm" ? { scheme: "int8", per: 32 } : { scheme: "parts" };
    for (const { activation } of linears) expect(activation).toEqual(asParts);
    const opened = await openModelAt({ path: made, engine: "float", kernels });
    const windows = await windowsOf(recipe, model, opened.model.description);
    const [score] = await opened.model.score(windows.slice(0, 1));
    await opened.close();
    expect(score.every(Number.isFinite)).toBe(true);
  });

  test("is refused for a target, naming what it has", async () => {
    const packed = recipeOf(rule, { targets: [{ target: "t-mac" }] });
    await expect(run(packed, path.join(temporaryFolder(), "run"))).rejects.toThrow(
      /t-mac: its weight has parts of several schemes/,
    );
  });
});

test("all linears of a rule share the rows of 8 bits", async () => {
  const { linears } = await readQuantizedIndex(path.join(suite, "mixllm"));
  const rows = linears.map(({ weight }) => {
    const { parts } = weight as PartsOutline;
    return parts.reduce(
      (sum, part) => sum + ("bits" in part.weight && part.weight.bits === 8 ? part.weight.rows : 0),
      0,
    );
  });
  const all = linears.reduce((sum, { weight }) => sum + weight.rows, 0);
  expect(rows.reduce((sum, each) => sum + each, 0)).toBe(Math.floor(0.2 * all));
  expect(new Set(linears.map(({ weight }, at) => rows[at] / weight.rows)).size).toBeGreaterThan(3);
});

test("a rule's `activation` beside columns with inputs of their own is refused", async () => {
  const twice = recipeOf({ ...rules.fmpq, activation: { scheme: "int8" } });
  await expect(run(twice, path.join(temporaryFolder(), "run"))).rejects.toThrow(
    /fmpq decides how the input is represented/,
  );
});
