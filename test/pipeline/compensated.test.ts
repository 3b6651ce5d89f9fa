import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { bundledModel, hashesOf, temporaryFolder } from "./run.js";

/* Recipes with error compensation on the bundled model and a few windows of what it says itself. */

async function quantized(name: string, threads: number): Promise<string> {
  const loaded = calibratedOn(await loadRecipe(name), packagePath("calibration/sampled-from-tiny.txt"));
  const { calibration } = loaded.recipe;
  if (calibration === undefined) throw new Error("no calibration");
  const recipe = { ...loaded, recipe: { ...loaded.recipe, calibration: { ...calibration, samples: 2 } } };
  const out = path.join(temporaryFolder(), "run");
  await quantize({ model: bundledModel, recipe, out, kernels: openKernels({ threads }) });
  return out;
}

test.each([
  "gptq-int4-g128",
  "gptq-int3-g128",
  "gptq-int2-g128",
  "compensated-trit-planes-g128",
  "shift-add-3bit",
])("%s makes a sound pack, the same of one thread and of two", async (name) => {
  const runs = [await quantized(name, 1), await quantized(name, 2)];
  expect(hashesOf(runs[1])).toEqual(hashesOf(runs[0]));
  expect((await verifyRun(runs[0], openKernels())).faults).toEqual([]);
});

test("linears of one input with methods of their own are fitted to the same inputs as with one", async () => {
  const gptq = (bits: number) => `{ method: gptq, bits: ${bits}, group: 128, aim: float }`;
  const own = await attentionOf(gptq(2), gptq(3));
  const one = await attentionOf(gptq(3), gptq(3));
  const file = "quantized/linears/model.layers.0.self_attn.v_proj.safetensors";
  expect(own[file]).toBeDefined();
  expect(own[file]).toBe(one[file]);
});

/** The files of a run whose first queries become one thing, keys and values another. */
async function attentionOf(queries: string, others: string) {
  const text = `
version: 1
calibration: { text: calibration/sampled-from-tiny.txt, samples: 2, length: 64 }
rules:
  - { match: model.layers.0.self_attn.q_proj, quantize: ${queries} }
  - { match: [model.layers.0.self_attn.k_proj, model.layers.0.self_attn.v_proj], quantize: ${others} }
  - { match: "*", keep: float }`;
  const file = packagePath("recipe.yaml");
  const out = path.join(temporaryFolder(), "run");
  const recipe = { name: "recipe", file, text, recipe: parseRecipe(text, file) };
  await quantize({ model: bundledModel, recipe, out, kernels: openKernels() });
  return hashesOf(out, ["quantized"]);
}
