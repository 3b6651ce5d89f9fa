import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { temporaryFolder } from "../pipeline/run.js";
import { assets } from "./assets.js";

const kernels = openKernels();
const text = { text: assets("luthier-tiny/heldout.txt") };
const float = 32.018; // of an independent implementation

/** A shipped recipe on a quarter of the usual tokens. */
async function quantized(name: string): Promise<string> {
  const loaded = calibratedOn(await loadRecipe(name), packagePath("calibration/sampled-from-tiny.txt"));
  const { calibration } = loaded.recipe;
  if (calibration === undefined) throw new Error("no calibration");
  const recipe = { ...loaded, recipe: { ...loaded.recipe, calibration: { ...calibration, samples: 64 } } };
  const out = path.join(temporaryFolder(), name);
  await quantize({ model: assets("luthier-tiny"), recipe, out, kernels });
  return out;
}

test.each([
  ["lut-llm-w2a3-int8", "lut", 1.25],
  ["lut-llm-w2a3-int4", "lut", 1.6],
  ["lut-llm-act-only", "float", 1.12],
  ["lut-llm-weight-only", "float", 1.15],
] as const)("%s on the held-out novel, %s engine, stays within %f of float", async (name, engine, limit) => {
  const out = await quantized(name);
  expect((await verifyRun(out, kernels)).faults).toEqual([]);
  const { perplexity, predictions } = await evaluatePerplexity({ path: out, engine, kernels, text });
  expect(predictions).toBe(35700);
  expect(perplexity / float).toBeGreaterThan(1);
  expect(perplexity / float).toBeLessThan(limit);
});
