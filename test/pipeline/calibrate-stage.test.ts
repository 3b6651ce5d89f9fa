import { mkdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { openModelCheckpoint } from "../../src/model/open-checkpoint.js";
import { openSpill } from "../../src/model/spill.js";
import { quantizeOnCalibration } from "../../src/pipeline/calibrate-stage.js";
import { planCheckpoint } from "../../src/pipeline/plan-checkpoint.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { bundledModel, hashesOf, temporaryFolder } from "./run.js";

test("linears come out the same where all activations lie in files", async () => {
  const inMemory = await fittedIn(temporaryFolder());
  const budgetBytes = 100_000; // a few matrices
  const spilled = await fittedIn(temporaryFolder(), budgetBytes);
  expect(spilled.spilledBytes).toBeGreaterThan(budgetBytes);
  expect(Object.keys(inMemory.hashes).length).toBeGreaterThan(10);
  expect(spilled.hashes).toEqual(inMemory.hashes);
});

async function fittedIn(run: string, budgetBytes = Number.POSITIVE_INFINITY) {
  mkdirSync(path.join(run, "quantized"));
  const { recipe } = await loadRecipe("gptq-int4-g128");
  const checkpoint = await openModelCheckpoint(bundledModel);
  const spill = openSpill(run, budgetBytes);
  let spilledBytes = 0;
  try {
    const { plan, description } = await planCheckpoint(checkpoint, recipe);
    await quantizeOnCalibration({
      ...{ run, checkpoint, description, planned: plan.linears, seed: 0, chosenRows: new Map(), spill },
      windows: [0, 1].map((at) => Int32Array.from({ length: 32 }, (_, i) => (i * 37 + at * 501) % 2048)),
      kernels: openKernels(),
      onProgress: () => {
        spilledBytes = Math.max(spilledBytes, spill.size().spilledBytes);
      },
    });
  } finally {
    spill.close();
    await checkpoint.close();
  }
  return { spilledBytes, hashes: hashesOf(run, ["quantized"]) };
}
