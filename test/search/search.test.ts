import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import type { Progress } from "../../src/pipeline/progress.js";
import { planModel, quantize } from "../../src/pipeline/quantize.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { candidatesSchema } from "../../src/recipe/schema.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { type SearchOptions, search } from "../../src/search/search.js";
import { findTarget } from "../../src/targets/registry.js";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { suiteFolder } from "../pipeline/run.js";

const kernels = openKernels({ threads: 1 });
const folder = suiteFolder();
const text = path.join(import.meta.dirname, "../../calibration/the-miller-of-ashcombe.txt");
const candidates = candidatesSchema.parse([
  { quantize: { method: "trit-planes", planes: 1, group: 64 } },
  { quantize: { method: "rtn", bits: 3, group: 64 } },
  { quantize: { method: "rtn", bits: 4, group: 64 } },
  { quantize: { method: "gptq", bits: 3, group: 64 } },
]);
let model = "";
beforeAll(async () => {
  model = await writeMadeUpModel(path.join(folder, "model"));
});

const searchIn = (out: string, changes: Partial<SearchOptions> = {}) =>
  search({
    ...{ model, out: path.join(folder, out), budget: { unit: "bits", amount: 3 }, candidates, kernels },
    calibration: { text, split: "train", samples: 16, length: 32 },
    ...changes,
  });

/** What a search measures, by the stages that it tells of. */
function measuring() {
  const stages: string[] = [];
  const onProgress = ({ stage, total }: Progress) => {
    if (total > 0 && stages.at(-1) !== stage) stages.push(stage);
  };
  return { stages, onProgress };
}

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

describe("on a made-up model of two blocks", () => {
  test("the recipe keeps the budget, fits the model, and gives every linear what was chosen", async () => {
    const found = await searchIn("found");
    expect(found.found.bitsPerWeight).toBeLessThanOrEqual(3);
    expect(found.found.bound).toBe(found.found.loss);
    const { linears } = await planModel(model, await loadRecipe(found.recipe));
    const planned = linears.flatMap(({ linear, quantize: made }) =>
      made ? [[linear.name, made.choice]] : [],
    );
    expect(planned).toEqual(
      found.linears.map(({ name, options, chosen }) => [name, options[chosen].candidate.quantizing.quantize]),
    );
    expect(readFileSync(found.recipe, "utf8")).toMatch(/^# Found by `luthier search` for model: 2\.9/);
  });

  test("a predicted loss of a probe is what was measured; errors are those of the outputs", async () => {
    const { linears } = await searchIn("found");
    for (const { options } of linears) {
      const probed = options.filter(({ divergence }) => divergence !== null);
      expect(probed).toHaveLength(2);
      for (const { divergence, loss } of probed) expect(loss).toBeCloseTo(divergence ?? 0, 10);
      const [ternary, int3, int4] = options.map(({ error }) => error);
      expect(ternary).toBeGreaterThan(int3);
      expect(int3).toBeGreaterThan(int4);
    }
  });

  test("the same again measures nothing and finds the same, and so does another budget", async () => {
    const first = await searchIn("again");
    const bytes = sha256(first.recipe);
    const { stages, onProgress } = measuring();
    const again = await searchIn("again", { onProgress });
    expect(stages).toEqual(["hash"]);
    expect(again).toEqual(first);
    expect(sha256(again.recipe)).toBe(bytes);
    const more = measuring();
    const other = await searchIn("again", {
      budget: { unit: "bits", amount: 3.5 },
      onProgress: more.onProgress,
    });
    expect(more.stages).toEqual(["hash", "divergences"]);
    expect(other.found.loss).toBeLessThan(first.found.loss);
  });

  test("a candidate more is all that is measured of it; another text is another search", async () => {
    const few = await searchIn("more", { candidates: candidates.slice(0, 3) });
    const kept = await searchIn("more");
    const errors = (result: typeof few, count: number) =>
      result.linears.map(({ options }) => options.slice(0, count).map(({ error }) => error));
    expect(errors(kept, 3)).toEqual(errors(few, 3));
    const whole = await searchIn("whole");
    expect(kept.linears.map(({ options }) => options.map(({ loss }) => loss))).toEqual(
      whole.linears.map(({ options }) => options.map(({ loss }) => loss)),
    );
    const { stages, onProgress } = measuring();
    await searchIn("more", { calibration: { text, split: "train", samples: 8, length: 32 }, onProgress });
    expect(stages).toContain("sensitivities");
  });

  test("a linear alone moves the model as far as was measured of it: one block's probes against whole models", async () => {
    const [coarse] = candidates;
    const { linears, uniform } = await searchIn("found");
    const sum = linears.reduce((total, { options }) => total + options[0].loss, 0);
    const all = uniform.find(
      ({ candidate }) => candidate.quantizing.quantize.method === coarse.quantize.method,
    );
    expect(all?.loss).toBeCloseTo(sum, 10);
    expect(all?.divergence).toBeGreaterThan(sum / 4);
    expect(all?.divergence).toBeLessThan(sum * 4);
  });

  test("runs and recipes are measured beside it, as the search measures", async () => {
    const found = await searchIn("found");
    const run = path.join(folder, "run");
    await quantize({ model, recipe: await loadRecipe(found.recipe), out: run, kernels });
    const recipe = path.join(folder, "mine.yaml");
    const rules = [
      { match: "lm_head", keep: "float" },
      { match: "*", quantize: { method: "bcq", group: 64 } },
    ];
    writeFileSync(recipe, JSON.stringify({ version: 1, rules }));
    const { compared } = await searchIn("found", { compare: [run, recipe] });
    const [ofRun, ofRecipe] = compared;
    expect(ofRun.bytes).toBe(found.found.bytes);
    expect(ofRun.divergence / found.found.divergence).toBeGreaterThan(0.8);
    expect(ofRun.divergence / found.found.divergence).toBeLessThan(1.25);
    expect(ofRecipe).toMatchObject({ name: "mine", bitsPerWeight: 3.75 });
    expect(statSync(path.join(folder, "found/compared/mine/run.json")).isFile()).toBe(true);
  });

  test("a target has only what it takes, and the recipe packs for it", async () => {
    const choice = targetChoice(findTarget("tellme"), {});
    const found = await searchIn("tellme", {
      candidates: undefined,
      target: { choice, device: null },
      budget: { unit: "bits", amount: 9 },
    });
    const schemes = new Set(
      found.linears.flatMap(({ options }) => options.map(({ candidate }) => candidate.name)),
    );
    for (const scheme of schemes) expect(scheme).toMatch(/tern|trit/);
    expect(readFileSync(found.recipe, "utf8")).toContain("- { target: tellme");
  });
});

describe("refused before anything is measured", () => {
  const cases: [string, Partial<SearchOptions>, RegExp][] = [
    ["a budget below the cheapest", { budget: { unit: "bits", amount: 1 } }, /too small/],
    ["cycles without a device", { budget: { unit: "cycles", amount: 1e9 } }, /cycles are those of a target/],
    ["a text of one window", { calibration: { text, split: "train", samples: 1, length: 32 } }, /one window/],
    [
      "windows beyond the model's context",
      { calibration: { text, split: "train", samples: 4, length: 4096 } },
      /exceed the model's context/,
    ],
  ];
  test.each(cases)("%s", async (_, changes, message) => {
    const { stages, onProgress } = measuring();
    const refused = searchIn("refused", { ...changes, onProgress });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(LuthierError);
    expect(stages.filter((stage) => stage !== "hash")).toEqual([]);
    expect(readdirSync(folder)).not.toContain("refused/recipe.yaml");
  });
});
