import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder } from "../pipeline/run.js";
import { luthier, start } from "./luthier.js";

const suite = suiteFolder();

/** Where in the job the process is killed: when so many files of a folder are there. */
const moments = [
  ["quantized/linears", 1],
  ["quantized/linears", 17],
  ["packs/t-mac/linears", 1],
  ["packs/t-mac/linears", 20],
] as const;

describe("trit planes", async () => {
  const job = await wholeJob(path.join(suite, "trit-planes"), bundledModel, "trit-planes-g128");

  test.each(moments)(
    "killed (SIGKILL) when %s has %i files, the next run goes on and ends with the same bytes",
    (folder, count) => killAndGoOn(job, folder, count),
  );
});

/** The same with linears that are fitted to calibration text, two transforms before, and one file for every port. */
describe("co-quantization", async () => {
  const model = await writeMadeUpModel(path.join(suite, "model"));
  const recipe = path.join(suite, "recipe.yaml");
  writeFileSync(recipe, JSON.stringify(coQuantization));
  const job = await wholeJob(path.join(suite, "co-quantization"), model, recipe);

  test.each([
    ["quantized", 1],
    ["quantized/linears", 1],
    ["quantized/linears", 9],
    ["packs/lut-llm", 1],
  ] as const)(
    "killed (SIGKILL) when %s has %i files, the next run goes on and ends with the same bytes",
    (folder, count) => killAndGoOn(job, folder, count),
  );
});

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

/** A job that nobody kills. */
async function wholeJob(out: string, model: string, recipe: string) {
  const args = (run: string) => ["quantize", model, "--recipe", recipe, "--out", run, "--quiet"];
  expect(await luthier(...args(out))).toMatchObject({ code: 0 });
  return { args, hashes: hashesOf(out) };
}

async function killAndGoOn(
  { args, hashes }: Awaited<ReturnType<typeof wholeJob>>,
  folder: string,
  count: number,
) {
  const killed = path.join(temporaryFolder(), "killed");
  const { child, finished } = start([...args(killed), "--threads", "1"]);
  const watched = path.join(killed, folder);
  const files = () =>
    existsSync(watched) ? readdirSync(watched).filter((name) => !name.startsWith(".")).length : 0;
  while (files() < count && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill("SIGKILL");
  expect((await finished).code).toBeNull();

  expect(await luthier(...args(killed))).toMatchObject({ code: 0 });
  expect(hashesOf(killed)).toEqual(hashes);
}
