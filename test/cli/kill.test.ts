import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { bundledModel, hashesOf, temporaryFolder } from "../pipeline/run.js";
import { luthier, start } from "./luthier.js";

/** Where in the job the process is killed: when so many files of a folder are there. */
const moments = [
  ["quantized/linears", 1],
  ["quantized/linears", 17],
  ["packs/t-mac/linears", 1],
  ["packs/t-mac/linears", 20],
] as const;

test.each(moments)(
  "killed (SIGKILL) when %s has %i files, the next run goes on and ends with the same bytes",
  (folder, count) => killAndGoOn(temporaryFolder(), bundledModel, "trit-planes-g128", folder, count),
);

/** The same with linears that are fitted to calibration text, two transforms before, and one file for every port. */
test.each([
  ["quantized", 1],
  ["quantized/linears", 1],
  ["quantized/linears", 9],
  ["packs/lut-llm", 1],
] as const)(
  "co-quantization killed (SIGKILL) when %s has %i files goes on and ends with the same bytes",
  async (folder, count) => {
    const parent = temporaryFolder();
    const model = await writeMadeUpModel(path.join(parent, "model"));
    const recipe = path.join(parent, "recipe.yaml");
    writeFileSync(recipe, JSON.stringify(coQuantization));
    await killAndGoOn(parent, model, recipe, folder, count);
  },
);

const coQuantization = {
  version: 1,
  calibration: {
    text: path.join(import.meta.dirname, "../../calibration/the-miller-of-ashcombe.txt"),
    ...{ samples: 4, length: 32 },
  },
  transforms: [{ transform: "pairing" }, { transform: "fold-norms" }],
  rules: [
    { match: "lm_head", keep: "float" },
    { match: "*", quantize: { method: "co-quantization" } },
  ],
  targets: [{ target: "lut-llm", fidelity: "kernel" }],
};

async function killAndGoOn(parent: string, model: string, recipe: string, folder: string, count: number) {
  const args = (out: string) => {
    return ["quantize", model, "--recipe", recipe, "--out", path.join(parent, out), "--quiet"];
  };
  expect(await luthier(...args("whole"))).toMatchObject({ code: 0 });

  const { child, finished } = start([...args("killed"), "--threads", "1"]);
  const watched = path.join(parent, "killed", folder);
  const files = () =>
    existsSync(watched) ? readdirSync(watched).filter((name) => !name.startsWith(".")).length : 0;
  while (files() < count && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill("SIGKILL");
  expect((await finished).code).toBeNull();

  expect(await luthier(...args("killed"))).toMatchObject({ code: 0 });
  expect(hashesOf(path.join(parent, "killed"))).toEqual(hashesOf(path.join(parent, "whole")));
}
