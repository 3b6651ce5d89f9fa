import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { bundledModel, temporaryFolder } from "./run.js";

/* What the addon does not compute is packed, verified and scored by the reference. */

const kernels = openKernels();

test.each([
  [{ method: "rtn", bits: 2, group: 64 }, { float: "float16" }],
  [
    { method: "rtn", bits: 2, group: 64 },
    { float: "float16", aggregation: "fast" },
  ],
  [{ method: "absmean", group: "tensor" }, { activationGroup: "token" }],
])("%o on t-mac with %o", async (rule, parameters) => {
  const out = temporaryFolder();
  const file = path.join(temporaryFolder(), "variant.yaml");
  const rules = [
    { match: "model.layers.0.*", quantize: rule },
    { match: "*", keep: "float" },
  ];
  writeFileSync(file, JSON.stringify({ version: 1, rules, targets: [{ target: "t-mac", ...parameters }] }));
  const recipe = await loadRecipe(file);
  await quantize({ model: bundledModel, recipe, out, kernels });
  expect(await verifyRun(out, kernels)).toMatchObject({ packedLinears: 7, faults: [] });

  const text = path.join(out, "text.txt");
  writeFileSync(text, "The fiddle maker lived by the river. ".repeat(8));
  const score = (engine: "float" | "lut") =>
    evaluatePerplexity({ path: out, engine, kernels, text: { text }, context: 64 });
  const [float, lut] = [await score("float"), await score("lut")];
  expect(Math.abs(lut.perplexity / float.perplexity - 1)).toBeLessThan(0.1);
});
