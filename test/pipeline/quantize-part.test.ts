import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { type QuantizePartOptions, quantizePart } from "../../src/pipeline/quantize-part.js";
import { lockFile, withLock } from "../../src/pipeline/run-lock.js";
import { writeMadeUpModel } from "./made-up-model.js";
import { bundledModel, quantizeBundled, recipeOf, temporaryFolder } from "./run.js";

const kernels = openKernels();
const rtn = (bits: number) =>
  recipeOf([
    { match: "lm_head", keep: "float" },
    { match: "*", quantize: { method: "rtn", bits, group: 64 } },
  ]);

function makePart(out: string, index: number, options: Partial<QuantizePartOptions> = {}) {
  const part = { index, count: 4 };
  return quantizePart({ model: bundledModel, recipe: rtn(4), out, part, kernels, ...options });
}

const made = (out: string) => readdirSync(path.join(out, "quantized", "linears"));

test("a part makes its own linears and nothing else", async () => {
  const out = temporaryFolder();
  const result = await makePart(out, 2);
  expect(result).toMatchObject({ independent: 28, inSequence: 0 });
  expect(result.linears.every((name) => name.startsWith("model.layers.1."))).toBe(true);
  expect(made(out).sort()).toEqual(result.linears.map((name) => `${name}.safetensors`).sort());
  expect(readdirSync(out).sort()).toEqual(["parts", "quantized"]);
});

test("what it has finished is not computed again", async () => {
  const out = temporaryFolder();
  await makePart(out, 1);
  const computed: string[] = [];
  await makePart(out, 1, { onProgress: ({ what }) => void (what !== "" && computed.push(what)) });
  expect(computed).toEqual([]);
});

test("temporary files are left alone: they may be those of other parts", async () => {
  const out = temporaryFolder();
  await makePart(out, 1);
  const temporary = path.join(
    out,
    "quantized",
    "linears",
    ".x.safetensors.7d1f0c52-9a0e-4b7e-8d62-2f0a6c1b4e93.tmp",
  );
  writeFileSync(temporary, "half");
  await makePart(out, 2);
  expect(existsSync(temporary)).toBe(true);
});

test("a part is refused while a whole process writes the run, and makes nothing", async () => {
  const out = temporaryFolder();
  await withLock(out, async () => {
    await expect(makePart(out, 1)).rejects.toThrow(/is being written by process/);
  });
  expect(readdirSync(out)).toEqual([]);
});

test("a whole process is refused while a part writes the run, and leaves no lock", async () => {
  const out = temporaryFolder();
  await withLock(
    out,
    async () => {
      await expect(quantizeBundled("rtn-int2-g64", out)).rejects.toThrow(/is being written by process/);
      expect(existsSync(path.join(out, lockFile))).toBe(false);
      await makePart(out, 2);
    },
    { index: 1, count: 4 },
  );
});

test("parts of another recipe, or of a checkpoint that has changed, are refused by what they have", async () => {
  const out = temporaryFolder();
  const model = await writeMadeUpModel(path.join(out, "model"));
  const run = path.join(out, "run");
  await makePart(run, 1, { model });
  await expect(makePart(run, 2, { model, recipe: rtn(3) })).rejects.toThrow(
    /holds part 1\/4 of a run of another recipe/,
  );
  await expect(makePart(run, 2)).rejects.toThrow(/part 1\/4 of a run of another model/);
  utimesSync(path.join(model, "model.safetensors"), 1000, 1000);
  await expect(makePart(run, 2, { model })).rejects.toThrow(/other sizes or times/);
});

test("one process does not go on with parts of another model or recipe either", async () => {
  const out = temporaryFolder();
  await makePart(out, 1);
  await expect(quantizeBundled("rtn-int2-g64", out)).rejects.toThrow(/part 1\/4 of a run of another recipe/);
  await quantizeBundled("rtn-int2-g64", out, { fresh: true });
  expect(existsSync(path.join(out, "parts"))).toBe(false);
});

test("a recipe of which nothing can be made apart is refused before anything is written", async () => {
  const out = path.join(temporaryFolder(), "run");
  const recipe = recipeOf([{ match: "*", keep: "float" }]);
  await expect(makePart(out, 1, { recipe })).rejects.toMatchObject({
    message: expect.stringContaining("cannot be run in parts: it quantizes no linear"),
    usage: true,
  });
  expect(existsSync(out)).toBe(false);
});

test("a damaged record of a part is named, with the way out", async () => {
  const out = temporaryFolder();
  await makePart(out, 1);
  const file = path.join(out, "parts", "1-of-4.json");
  writeFileSync(file, readFileSync(file, "utf8").slice(0, 100));
  await expect(makePart(out, 2)).rejects.toMatchObject({
    message: expect.stringContaining(file),
    fix: expect.stringContaining("run that part again"),
  });
});
