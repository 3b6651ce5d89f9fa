import { expect, test } from "vitest";
import { bundledModel, temporaryFolder } from "./pipeline/run.js";

test("the package gives its library under its own name, as the README uses it", async () => {
  const luthier: typeof import("../src/index.js") = await import("luthier" as string);
  const kernels = luthier.openKernels();
  const recipe = await luthier.loadRecipe("trit-planes-g128");
  const run = temporaryFolder();
  const { index } = await luthier.quantize({ model: bundledModel, recipe, out: run, kernels });
  expect(index.linears.length).toBe(28);
  expect((await luthier.verifyRun(run, kernels)).faults).toEqual([]);
});
