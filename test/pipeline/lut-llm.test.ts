import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { packRun } from "../../src/pipeline/pack.js";
import { readManifest } from "../../src/pipeline/pack-files.js";
import { planModel, type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { findTarget } from "../../src/targets/registry.js";
import { writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder } from "./run.js";

/* LUT-LLM from recipe to score, on a made-up model of two small blocks. */

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const model = await writeMadeUpModel(path.join(suiteFolder(), "model"));
const folding = [{ transform: "fold-norms" }];

function recipeOf(changes: object = {}): LoadedRecipe {
  const text = JSON.stringify({
    version: 1,
    calibration: { text: "the-miller-of-ashcombe.txt", samples: 4, length: 32 },
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", quantize: { method: "co-quantization" } },
    ],
    targets: [{ target: "lut-llm" }],
    ...changes,
  });
  return {
    name: "lut-llm of a test",
    file: path.join(corpora, "r.yaml"),
    text,
    recipe: parseRecipe(text, "r"),
  };
}

async function run(out: string, recipe: LoadedRecipe, options: Partial<QuantizeOptions> = {}) {
  await quantize({ model, recipe, out, kernels, ...options });
  return out;
}

async function perplexityOf(folder: string, engine: "float" | "lut") {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 1500));
  return (await evaluatePerplexity({ path: folder, engine, kernels, text: { text }, context: 48 }))
    .perplexity;
}

describe("a run", async () => {
  const folder = suiteFolder();
  const plain = await run(path.join(folder, "plain"), recipeOf());
  const before = hashesOf(plain);

  test("has the same bytes on one thread and on two", async () => {
    for (const threads of [1, 2]) {
      const other = path.join(temporaryFolder(), "run");
      await run(other, recipeOf(), { kernels: openKernels({ threads }) });
      expect(hashesOf(other)).toEqual(before);
    }
  });

  test("x", async () => {
    expect(await perplexityOf(plain, "lut")).toBe(0);
  });
});
