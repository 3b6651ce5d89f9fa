import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { inspectLinear } from "../../src/pipeline/inspect.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { bundledModel, hashesOf, quantizeBundled, recipeOf, temporaryFolder } from "./run.js";

/* Tables of values on the bundled model. What does not need a calibration text: test/pipeline/quantize.test.ts too. */

const keepHead = { match: "lm_head", keep: "float" };

test("a run of shared tables is sound; a linear of it shows its scales and how often each code occurs", async () => {
  const out = temporaryFolder();
  await quantizeBundled("bitmod-fp3-g128", out);
  expect((await verifyRun(out, openKernels())).faults).toEqual([]);
  const found = await inspectLinear(out, "model.layers.1.mlp.up_proj");
  expect(found).toMatchObject({ scheme: "3-bit values of 4 tables g128", shape: [768, 256] });
  expect(found.bitsPerWeight).toBe(3 + 18 / 128);
  expect(found.scales).toMatchObject({ count: 768 * 2 });
  expect(found.codes.length).toBe(8);
  expect(found.relativeError).toBeGreaterThan(0.17);
  expect(found.relativeError).toBeLessThan(0.21); // 0.195 on normal weights
});

test.each(["squeeze-3bit", "compensated-bitmod-fp3-g128", "compensated-k-means-3bit"])(
  "%s gives the same bytes of one thread and of two",
  async (name) => {
    const loaded = calibratedOn(await loadRecipe(name), packagePath("calibration/sampled-from-tiny.txt"));
    const { calibration } = loaded.recipe;
    if (calibration === undefined) throw new Error("no calibration");
    const recipe = { ...loaded, recipe: { ...loaded.recipe, calibration: { ...calibration, samples: 2 } } };
    const runs = [1, 2].map((threads) => path.join(temporaryFolder(), String(threads)));
    for (const [at, out] of runs.entries())
      await quantize({ model: bundledModel, recipe, out, kernels: openKernels({ threads: at + 1 }) });
    expect(hashesOf(runs[1], ["quantized"])).toEqual(hashesOf(runs[0], ["quantized"]));
    expect((await verifyRun(runs[0], openKernels())).faults).toEqual([]);
    const { linears } = await readQuantizedIndex(runs[0]);
    expect(linears.length).toBe(28);
    for (const { weight } of linears)
      expect(weight).toMatchObject({ scheme: "values", bits: 3, scaleRows: weight.rows });
    const { scales } = await inspectLinear(runs[0], linears[0].name);
    expect(scales === null).toBe(!name.includes("bitmod")); // own tables have none
  },
);

test("every target refuses them in the plan, and says what it takes", async () => {
  for (const target of ["t-mac", "lut-llm", "onnx"]) {
    const recipe = recipeOf([keepHead, { match: "*", quantize: { method: "nf4" } }], [{ target }]);
    const run = quantize({ model: bundledModel, recipe, out: temporaryFolder(), kernels: openKernels() });
    await expect(run).rejects.toThrow(
      /codes into tables of values, which no target reads so far — use a quantizer/,
    );
  }
});
