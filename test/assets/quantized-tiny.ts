import path from "node:path";
import { expect } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import type { Engine } from "../../src/pipeline/open-model.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { calibratedOn, type LoadedRecipe, loadRecipe } from "../../src/recipe/shipped.js";
import { temporaryFolder } from "../pipeline/run.js";
import { assets } from "./assets.js";

export const kernels = openKernels();

/** A run of a shipped recipe; one that needs calibration text has this many windows of it. */
export async function quantizedTiny(name: string, samples: number): Promise<string> {
  const out = path.join(temporaryFolder(), name);
  const recipe = withSamples(await loadRecipe(name), samples);
  await quantize({ model: assets("luthier-tiny"), recipe, out, kernels });
  return out;
}

/** A run's perplexity on the held-out novel, over that of the float model. */
export async function perplexityOverFloat(run: string, engine: Engine = "float"): Promise<number> {
  const text = { text: assets("luthier-tiny/heldout.txt") };
  const { perplexity, predictions } = await evaluatePerplexity({ path: run, engine, kernels, text });
  expect(predictions).toBe(35700);
  return perplexity / 32.018; // of an independent implementation
}

function withSamples(shipped: LoadedRecipe, samples: number): LoadedRecipe {
  const { recipe } = shipped;
  if (recipe.calibration === undefined) return shipped;
  const counted = { ...shipped, recipe: { ...recipe, calibration: { ...recipe.calibration, samples } } };
  return calibratedOn(counted, packagePath("calibration/sampled-from-tiny.txt"));
}
