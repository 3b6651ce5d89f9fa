import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { indexPath, readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder, windowsOf } from "./run.js";

/* One scale for all inputs of a linear, measured on calibration text. */

const kernels = openKernels();
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));
const byRows = { method: "rtn", bits: 8, group: "row", symmetric: true };
const recipe = calibratedRecipe([
  { match: "*.v_proj", quantize: byRows },
  { match: "*", quantize: byRows, activation: { scheme: "int8", per: "tensor" } },
]);
const run = path.join(suite, "run");
await quantize({ model, recipe, out: run, kernels });

/** The largest magnitude of each linear's input when the run reads the calibration text. */
async function largestInputs(): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  const opened = await openModelAt({
    ...{ path: run, engine: "float", kernels },
    observe(linears, { data }) {
      const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      for (const name of linears) found.set(name, Math.max(found.get(name) ?? 0, largest));
    },
  });
  await opened.model.run(await windowsOf(recipe, model, opened.model.description));
  await opened.close();
  return found;
}

test("is that of the quantized model's largest input there; other inputs stay as they are", async () => {
  const largest = await largestInputs();
  const { linears } = await readQuantizedIndex(run);
  expect(linears).toHaveLength(14);
  for (const { name, activation } of linears) {
    if (name.endsWith("v_proj")) expect(activation).toEqual({ scheme: "float" });
    else expect(activation).toEqual({ scheme: "int8", per: "tensor", largest: largest.get(name) });
  }
});

test("is the same in a run that was stopped and went on", async () => {
  const out = path.join(temporaryFolder(), "run");
  await quantize({ model, recipe, out, kernels });
  const before = hashesOf(out, ["quantized"]);
  expect(before).toEqual(hashesOf(run, ["quantized"]));
  const linears = path.join(out, "quantized", "linears");
  for (const name of readdirSync(linears).slice(5)) writeFileSync(path.join(linears, name), "cut short");
  await quantize({ model, recipe, out, kernels });
  expect(hashesOf(out, ["quantized"])).toEqual(before);
});

test("an index without the scale is damaged", async () => {
  const out = path.join(temporaryFolder(), "run");
  await quantize({ model, recipe, out, kernels });
  const index = JSON.stringify({
    format: "luthier-quantized",
    version: 1,
    files: [],
    linears: (await readQuantizedIndex(out)).linears.map((entry) => ({
      ...entry,
      activation: { scheme: "int8", per: "tensor" },
    })),
  });
  writeFileSync(indexPath(out), index);
  await expect(readQuantizedIndex(out)).rejects.toThrow(/activation/);
});
