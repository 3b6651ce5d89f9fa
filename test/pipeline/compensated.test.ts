import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
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
