import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { temporaryFolder } from "../pipeline/run.js";
import { assets } from "./assets.js";

const kernels = openKernels();
const float = 32.018; // of an independent implementation

test.each([
  ["gptq-int4-g128", 1.012],
  ["gptq-int3-g128", 1.05],
  ["gptq-int2-g128", 1.25],
  ["compensated-trit-planes-g128", 1.035],
  ["compensated-bitmod-fp3-g128", 1.045],
  ["compensated-k-means-3bit", 1.035],
  ["squeeze-3bit", 1.055],
] as const)("%s on the held-out novel stays within %f of float", async (name, limit) => {
  const loaded = calibratedOn(await loadRecipe(name), packagePath("calibration/sampled-from-tiny.txt"));
  const { calibration } = loaded.recipe;
  if (calibration === undefined) throw new Error("no calibration");
  const recipe = { ...loaded, recipe: { ...loaded.recipe, calibration: { ...calibration, samples: 64 } } };
  const out = path.join(temporaryFolder(), name);
  await quantize({ model: assets("luthier-tiny"), recipe, out, kernels });
  const text = { text: assets("luthier-tiny/heldout.txt") };
  const { perplexity } = await evaluatePerplexity({ path: out, engine: "float", kernels, text });
  expect(perplexity / float).toBeGreaterThan(1);
  expect(perplexity / float).toBeLessThan(limit);
});
