import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { readAll } from "../../src/pipeline/quantized-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { type LoadedRecipe, loadRecipe } from "../../src/recipe/shipped.js";
import { writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));
const calibration = { text: "the-miller-of-ashcombe.txt", samples: 4, length: 32 };

const byAwq = { method: "awq", bits: 3, group: 32 };

function recipeOf(transforms: readonly object[], quantizer: object = byAwq): LoadedRecipe {
  const rules = [
    { match: "lm_head", keep: "float" },
    { match: "*.1.mlp.gate_proj", keep: "float" },
    { match: "*", quantize: quantizer },
  ];
  const text = JSON.stringify({ version: 1, calibration, transforms, rules });
  const recipe = parseRecipe(text, "r.yaml");
  return { name: "recipe of a test", file: path.join(corpora, "r.yaml"), text, recipe };
}

async function run(out: string, recipe: LoadedRecipe, options: Partial<QuantizeOptions> = {}) {
  const stages: string[] = [];
  const onProgress = ({ stage, what }: { stage: string; what: string }) =>
    void stages.push(what === "" ? stage : `${stage} ${what}`);
  await quantize({ model, recipe, out, kernels, onProgress, ...options });
  return stages;
}

const scalesFolder = (out: string, transform: string) =>
  path.join(out, "quantized", "channel-scales", transform);

async function scalesOf(out: string, transform: string, linear: string): Promise<Float32Array> {
  const { scales } = await readAll(path.join(scalesFolder(out, transform), `${linear}.safetensors`));
  return new Float32Array(scales.bytes.slice().buffer);
}

async function perplexityOf(folder: string) {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 3000));
  return (await evaluatePerplexity({ path: folder, engine: "float", kernels, text: { text }, context: 64 }))
    .perplexity;
}

describe("a run with scales of awq", async () => {
  const out = path.join(suite, "awq");
  const awq = recipeOf([{ transform: "awq" }]);
  await run(out, awq);
  const before = hashesOf(out, ["quantized"]);
  const [attention, down] = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"];

  test("has them for every input but values that several query heads read", async () => {
    const inputs = ["mlp.down_proj", "mlp.gate_proj", "self_attn.q_proj"];
    expect(readdirSync(scalesFolder(out, "awq")).sort()).toEqual(
      [0, 1].flatMap((block) => inputs.map((name) => `model.layers.${block}.${name}.safetensors`)),
    );
    const scales = await scalesOf(out, "awq", attention);
    expect(scales.every((scale) => scale > 0 && Number.isFinite(scale))).toBe(true);
    expect(Math.max(...scales) * Math.min(...scales)).toBeCloseTo(1, 5);
  });

  test("scales those values too where it is asked to", async () => {
    const grouped = temporaryFolder();
    await run(grouped, recipeOf([{ transform: "awq", groupedValues: true }]));
    const scales = await scalesOf(grouped, "awq", "model.layers.0.self_attn.o_proj");
    expect(scales.subarray(0, 32)).toEqual(scales.subarray(32, 64)); // two query heads of one key-value head
    expect(scales.subarray(64, 96)).toEqual(scales.subarray(96, 128));
  });

  test("verifies, and changed scales are noticed", async () => {
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
    const file = path.join(scalesFolder(out, "awq"), `${down}.safetensors`);
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.from(bytes).fill(1, bytes.length - 1));
    const { faults } = await verifyRun(out, kernels);
    writeFileSync(file, bytes);
    expect(faults).toEqual([expect.stringContaining(`${down}.safetensors: its sha256 is`)]);
  });

  test("resumes without a search, and what is missing is made with the same scales", async () => {
    rmSync(path.join(out, "quantized", "linears", `${down}.safetensors`));
    rmSync(path.join(out, "quantized", "quantization.json"));
    const stages = await run(out, awq);
    expect(stages.filter((stage) => /^(awq|statistics)/.test(stage))).toEqual([]);
    expect(hashesOf(out, ["quantized"])).toEqual(before);
  });

  test.each([
    ["lost", (file: string) => rmSync(file)],
    ["cut", (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 200))],
    ["changed", (file: string) => writeFileSync(file, readFileSync(file).fill(0, 400))],
  ])(
    "whose scales of one input are %s finds these again, and makes every linear again",
    async (_, damage) => {
      damage(path.join(scalesFolder(out, "awq"), `${down}.safetensors`));
      const stages = await run(out, awq);
      expect(stages.filter((stage) => /^(awq|statistics) ?/.test(stage))).toEqual([`awq ${down}`, "awq"]);
      expect(hashesOf(out, ["quantized"])).toEqual(before);
    },
  );

  test.each([
    ["on one thread", { threads: 1 }],
    ["by the reference kernels", { path: "reference" as const }],
  ])("has the same bytes %s", async (_, by) => {
    const other = temporaryFolder();
    await run(other, awq, { kernels: openKernels(by) });
    expect(hashesOf(other, ["quantized"])).toEqual(before);
  });

  test("keeps the float model: a linear that stays float is scaled with the others of its input", async () => {
    const kept = await readAll(path.join(out, "quantized", "kept.safetensors"));
    const gate = kept["model.layers.1.mlp.gate_proj.weight"];
    expect(gate.dtype).toBe("F32");
    const eight = temporaryFolder();
    await run(eight, recipeOf([{ transform: "awq" }], { method: "rtn", bits: 8, group: 32 }));
    expect((await perplexityOf(eight)) / (await perplexityOf(model))).toBeCloseTo(1, 1);
  });
});

describe("several transforms", () => {
  const kept = { method: "rtn", bits: 8, group: 32 };

  test("are made in the order of the recipe, each on what the ones before left", async () => {
    const [scaledFirst, orderedFirst] = [temporaryFolder(), temporaryFolder()];
    const [smooth, pairing] = [{ transform: "smoothquant", alpha: 0.6 }, { transform: "pairing" }];
    await run(scaledFirst, recipeOf([smooth, pairing], kept));
    await run(orderedFirst, recipeOf([pairing, smooth], kept));
    expect(readdirSync(path.join(scaledFirst, "statistics")).sort()).toEqual([
      "after-smoothquant",
      "checkpoint",
    ]);
    const name = "model.layers.1.self_attn.q_proj";
    const plain = await scalesOf(scaledFirst, "smoothquant", name);
    const inOrder = await scalesOf(orderedFirst, "smoothquant", name);
    const orders = await readAll(path.join(orderedFirst, "quantized", "channel-orders.safetensors"));
    const order = new Uint32Array(orders.residual.bytes.slice().buffer);
    for (const [at, channel] of order.entries()) expect(inOrder[at] / plain[channel]).toBeCloseTo(1, 4);
    expect((await perplexityOf(orderedFirst)) / (await perplexityOf(scaledFirst))).toBeCloseTo(1, 2);
  });

  test("of scales may follow each other", async () => {
    const out = temporaryFolder();
    await run(out, recipeOf([{ transform: "smoothquant" }, { transform: "awq" }], kept));
    expect(readdirSync(path.join(out, "quantized", "channel-scales")).sort()).toEqual(["awq", "smoothquant"]);
    expect(readdirSync(scalesFolder(out, "smoothquant"))).toHaveLength(4); // inputs that a norm makes
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
  });
});

test.each([
  ["awq-int4-g128", 0.12],
  ["awq-int3-g128", 0.25],
  ["smoothquant-w8a8", 0.02],
])("%s makes a run that verifies, with errors as of its bits", async (name, most) => {
  const shipped = await loadRecipe(name);
  const recipe = {
    ...shipped,
    file: path.join(corpora, "r.yaml"),
    recipe: { ...shipped.recipe, calibration: { ...calibration, split: "train" } },
  };
  const out = temporaryFolder();
  const wide = await writeMadeUpModel(path.join(temporaryFolder(), "model"), { intermediate_size: 256 });
  const { index } = await quantize({ model: wide, recipe, out, kernels });
  expect(index.linears).toHaveLength(14);
  for (const { relativeError } of index.linears) expect(relativeError).toBeLessThan(most);
  expect((await verifyRun(out, kernels)).faults).toEqual([]);
});
