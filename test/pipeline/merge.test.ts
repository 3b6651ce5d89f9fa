import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { mergeParts } from "../../src/pipeline/merge.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { quantizePart } from "../../src/pipeline/quantize-part.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { type LoadedRecipe, loadRecipe } from "../../src/recipe/shipped.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();

async function makeParts(out: string, model: string, recipe: LoadedRecipe, count: number, only?: number[]) {
  const indexes = only ?? Array.from({ length: count }, (_, at) => at + 1);
  await Promise.all(
    indexes.map((index) => quantizePart({ model, recipe, out, part: { index, count }, kernels })),
  );
}

describe("the bytes of one process", async () => {
  const made = await writeMadeUpModel(path.join(suiteFolder(), "model"));
  const rtn = { method: "rtn", bits: 4, group: 64 };
  const cases: [string, string, LoadedRecipe, number][] = [
    ["two trit planes in four parts", bundledModel, await loadRecipe("trit-planes-g128"), 4],
    [
      "rotated first",
      bundledModel,
      calibratedRecipe([{ match: "*", quantize: rtn }], { transforms: [{ transform: "hadamard" }] }),
      3,
    ],
    ["several schemes, as one part", bundledModel, await loadRecipe("finequant-int4"), 1],
    [
      "beside linears that are fitted in sequence, and inputs of one scale",
      made,
      calibratedRecipe(
        [
          { match: "*.down_proj", quantize: { method: "gptq", bits: 4, group: 64 } },
          { match: "*.o_proj", quantize: rtn, activation: { scheme: "int8", per: "tensor" } },
          { match: "*", quantize: rtn },
        ],
        { targets: [] },
      ),
      5,
    ],
  ];
  test.each(cases)("%s", async (_, model, recipe, count) => {
    const folder = temporaryFolder();
    const [one, parts] = [path.join(folder, "one"), path.join(folder, "parts")];
    await quantize({ model, recipe, out: one, kernels });
    await makeParts(parts, model, recipe, count);
    await mergeParts({ run: parts, kernels });
    expect(hashesOf(parts)).toEqual(hashesOf(one));
    expect((await verifyRun(parts, kernels)).faults).toEqual([]);
  });
});

const recipe = await loadRecipe("rtn-int2-g64");
const linears = (run: string) => path.join(run, "quantized", "linears");

test("linears that are missing are named, with the commands of their parts; nothing is made of the run", async () => {
  const run = temporaryFolder();
  await makeParts(run, bundledModel, recipe, 4, [1, 4]);
  rmSync(path.join(linears(run), "model.layers.3.mlp.up_proj.safetensors"));
  const error = await mergeParts({ run, kernels }).catch((thrown) => thrown);
  expect(error.message).toContain("lacks 15 linears of 3 parts: model.layers.1.self_attn.q_proj, ");
  expect(error.message).toContain("7 more");
  expect(error.fix.match(/--part \d\/4/g)).toEqual(["--part 2/4", "--part 3/4", "--part 4/4"]);
  expect(existsSync(path.join(run, "run.json"))).toBe(false);
});

test("a linear that is damaged since is made again", async () => {
  const run = temporaryFolder();
  await makeParts(run, bundledModel, recipe, 2);
  const file = path.join(linears(run), "model.layers.3.mlp.up_proj.safetensors");
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, 1000));
  await mergeParts({ run, kernels });
  expect(readFileSync(file).equals(whole)).toBe(true);
});

test("parts of several counts that have made every linear between them are merged", async () => {
  const run = temporaryFolder();
  await makeParts(run, bundledModel, recipe, 2, [1]);
  await makeParts(run, bundledModel, recipe, 4, [3, 4]);
  await mergeParts({ run, kernels });
  expect((await verifyRun(run, kernels)).faults).toEqual([]);
});

test("the time of each part is on record; the records of parts are gone", async () => {
  const run = temporaryFolder();
  await makeParts(run, bundledModel, recipe, 2);
  const { record } = await mergeParts({ run, kernels });
  expect(record.stages.map(({ name }) => name)).toEqual([
    ...["quantize 1/2", "quantize 2/2", "quantize", "pack t-mac"],
  ]);
  expect(existsSync(path.join(run, "parts"))).toBe(false);
});

test("a folder without parts, and a run that is whole, are told apart", async () => {
  const run = temporaryFolder();
  await expect(mergeParts({ run, kernels })).rejects.toThrow(/holds no parts of a run/);
  await makeParts(run, bundledModel, recipe, 1);
  await mergeParts({ run, kernels });
  await expect(mergeParts({ run, kernels })).rejects.toThrow(/is a whole run/);
});
