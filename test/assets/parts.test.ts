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
  ["flexq-w6a6", 1.004],
  ["flexq-w6a8", 1.002],
  ["llm-int8", 1.002],
  ["fmpq-w4a4", 1.08],
  ["mixllm-p10", 1.01],
] as const)("%s on the held-out novel stays within %f of float", async (name, limit) => {
  const shipped = await loadRecipe(name);
  const recipe = shipped.recipe.calibration
    ? withSamples(calibratedOn(shipped, packagePath("calibration/sampled-from-tiny.txt")), 32)
    : shipped;
  const out = path.join(temporaryFolder(), name);
  await quantize({ model: assets("luthier-tiny"), recipe, out, kernels });
  const text = { text: assets("luthier-tiny/heldout.txt") };
  const { perplexity, predictions } = await evaluatePerplexity({ path: out, engine: "float", kernels, text });
  expect(predictions).toBe(35700);
  expect(perplexity / float).toBeLessThan(limit);
});

function withSamples(loaded: Awaited<ReturnType<typeof loadRecipe>>, samples: number) {
  const { recipe } = loaded;
  if (recipe.calibration === undefined) throw new Error("no calibration");
  return { ...loaded, recipe: { ...recipe, calibration: { ...recipe.calibration, samples } } };
}
