import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { inspectLinear } from "../../src/pipeline/inspect.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { packRun } from "../../src/pipeline/pack.js";
import { planModel, type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { readAll, readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { furthestApart } from "../model/furthest-apart.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const keepAll = [{ match: "*", keep: "float" }];
const int8 = [
  { match: "lm_head", keep: "float" },
  { match: "*", quantize: { method: "rtn", bits: 8, group: 64 } },
];

function recipeOf(changes: object): LoadedRecipe {
  const text = JSON.stringify({
    version: 1,
    transforms: [{ transform: "hadamard" }],
    rules: int8,
    ...changes,
  });
  const recipe = parseRecipe(text, "r");
  return { name: "recipe of a test", file: path.join(corpora, "r.yaml"), text, recipe };
}

const online = [{ transform: "hadamard", online: true }];

async function run(recipe: LoadedRecipe, out = temporaryFolder(), options: Partial<QuantizeOptions> = {}) {
  await quantize({ model: bundledModel, recipe, out, kernels, ...options });
  return out;
}

const tokens = Int32Array.from({ length: 48 }, (_, i) => (37 * i + 5) % 2048);

async function logitsOf(folder: string): Promise<Float32Array> {
  const opened = await openModelAt({ path: folder, engine: "float", kernels });
  const { data } = await opened.model.logits(tokens);
  await opened.close();
  return data;
}

async function perplexityOf(folder: string): Promise<number> {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 3000));
  return (await evaluatePerplexity({ path: folder, engine: "float", kernels, text: { text }, context: 64 }))
    .perplexity;
}

describe("the bundled model, rotated and kept float", async () => {
  const out = path.join(suiteFolder(), "kept");
  await run(recipeOf({ rules: keepAll, seed: 3 }), out);

  test("has the same logits", async () => {
    expect(furthestApart(await logitsOf(out), await logitsOf(bundledModel))).toBeLessThan(1e-3);
  });

  test("is a checkpoint with a head of its own and norms of ones", async () => {
    const kept = await readAll(path.join(out, "quantized", "kept.safetensors"));
    expect(Object.keys(kept)).toContain("lm_head.weight");
    const norm = new Float32Array(kept["model.norm.weight"].bytes.slice().buffer);
    expect(norm.every((weight) => weight === 1)).toBe(true);
    const config = JSON.parse(readFileSync(path.join(out, "quantized", "config.json"), "utf8"));
    expect(config.tie_word_embeddings).toBe(false);
  });

  test("is another one by another seed", async () => {
    const embedding = async (folder: string) => {
      const kept = await readAll(path.join(folder, "quantized", "kept.safetensors"));
      return kept["model.embed_tokens.weight"].bytes;
    };
    const first = await embedding(out);
    expect(await embedding(await run(recipeOf({ rules: keepAll, seed: 4 })))).not.toEqual(first);
  });
});

describe("a run with inputs that are rotated as they are computed", async () => {
  const out = path.join(suiteFolder(), "online");
  await run(recipeOf({ transforms: online }), out);

  test("says so of the linears behind an activation or attention, and of no other", async () => {
    const { linears } = await readQuantizedIndex(out);
    const rotations = new Map(linears.map(({ name, rotation }) => [name, rotation]));
    expect(rotations.get("model.layers.0.mlp.down_proj")).toEqual({ kind: "hadamard", size: 768 });
    const rotated = linears.filter(({ rotation }) => rotation).map(({ name }) => name.split(".").at(-1));
    expect(new Set(rotated)).toEqual(new Set(["o_proj", "down_proj"]));
    expect((await inspectLinear(out, "model.layers.1.mlp.down_proj")).rotation?.size).toBe(768);
    expect((await inspectLinear(out, "model.layers.1.mlp.up_proj")).rotation).toBeNull();
  });

  test("computes what the model computes", async () => {
    expect((await perplexityOf(out)) / (await perplexityOf(bundledModel))).toBeCloseTo(1, 2);
  });

  test("verifies", async () => {
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
  });

  test("is taken by no target, with the way out", async () => {
    await expect(packRun({ run: out, target: { target: "lut-gemm" } })).rejects.toMatchObject({
      message: expect.stringContaining("its input is rotated each time"),
      fix: expect.stringContaining("online: false"),
    });
  });

  test("a rotation that cannot be one of its inputs is refused as it is read", async () => {
    const file = path.join(out, "quantized", "quantization.json");
    const index = readFileSync(file, "utf8");
    for (const [size, fault] of [
      [512, "runs of 512 inputs do not divide 768"],
      [6, "no Hadamard matrix of order 6 is known"],
    ] as const) {
      writeFileSync(file, index.replaceAll('"size": 768', `"size": ${size}`));
      await expect(readQuantizedIndex(out)).rejects.toThrow(fault);
    }
    writeFileSync(file, index);
  });

  test("a linear that stays float keeps its input as it is", async () => {
    const rules = [{ match: "*.down_proj", keep: "float" }, ...int8];
    const kept = await run(recipeOf({ transforms: online, rules }));
    expect((await perplexityOf(kept)) / (await perplexityOf(bundledModel))).toBeCloseTo(1, 2);
  });
});

test("a stopped run goes on to the same bytes", async () => {
  const recipe = recipeOf({ transforms: online });
  const [whole, resumed] = [await run(recipe), await run(recipe)];
  rmSync(path.join(resumed, "quantized", "quantization.json"));
  rmSync(path.join(resumed, "quantized", "kept.safetensors"));
  rmSync(path.join(resumed, "quantized", "linears", "model.layers.2.mlp.down_proj.safetensors"));
  await run(recipe, resumed, { kernels: openKernels({ path: "reference" }) });
  expect(hashesOf(resumed, ["quantized"])).toEqual(hashesOf(whole, ["quantized"]));
});

test("a method that is fitted sees rotated inputs", async () => {
  const calibration = { text: "the-miller-of-ashcombe.txt", samples: 4, length: 64 };
  const quantizer = { method: "co-quantization", centroids: 16, group: 64, inputs: "float", table: "none" };
  const rules = [
    { match: "*.layers.0.mlp.down_proj", quantize: quantizer },
    { match: "*", keep: "float" },
  ];
  const out = await run(recipeOf({ transforms: online, rules, calibration }));
  const plain = await run(recipeOf({ transforms: [], rules, calibration }));
  const [rotated, unrotated] = [await perplexityOf(out), await perplexityOf(plain)];
  expect(rotated / unrotated).toBeGreaterThan(0.9);
  expect(rotated / unrotated).toBeLessThan(1.1);
});

describe("the plan", () => {
  test("says what is rotated, and needs no calibration text", async () => {
    const { notes } = await planModel(bundledModel, recipeOf({ transforms: online }));
    expect(notes).toEqual([
      "rotated by Hadamard matrices: residual stream of 256; input of o_proj of 256 when it runs; input of down_proj of 768 when it runs",
    ]);
    expect((await planModel(bundledModel, recipeOf({}))).notes[0]).toMatch(/values of each head of \d+$/);
  });

  test("refuses a target where inputs are rotated as they are computed", async () => {
    const recipe = recipeOf({ transforms: online, targets: [{ target: "lut-gemm" }] });
    await expect(planModel(bundledModel, recipe)).rejects.toThrow(
      "lut-gemm: its input is rotated each time that it is computed, which this target cannot do — set `online: false`",
    );
  });

  test("refuses what rotation would mix, what would mix it, and two rotations", async () => {
    const calibration = { text: "the-miller-of-ashcombe.txt" };
    const pairing = { transform: "pairing" };
    const planned = (transforms: readonly object[]) =>
      planModel(bundledModel, recipeOf({ calibration, transforms }));
    await expect(planned([pairing, { transform: "hadamard" }])).rejects.toThrow(
      "transform pairing: hadamard after it mixes the channels that it sets — put it after hadamard",
    );
    await expect(planned([...online, pairing])).rejects.toThrow(
      "transform pairing: hadamard before it leaves weights whose columns are no channels",
    );
    await expect(planned([...online, ...online])).rejects.toThrow("more than once");
    await expect(planned([{ transform: "hadamard" }, pairing])).resolves.toBeDefined();
  });
});

test("with folded norms before and channels in order after, the model computes the same", async () => {
  const calibration = { text: "the-miller-of-ashcombe.txt", samples: 6, length: 64 };
  const [fold, rotate, pair] = ["fold-norms", "hadamard", "pairing"].map((transform) => ({ transform }));
  const kept = { calibration, rules: keepAll };
  const folded = await run(recipeOf({ ...kept, transforms: [fold] }));
  const all = await run(recipeOf({ ...kept, transforms: [fold, rotate, pair] }));
  expect(furthestApart(await logitsOf(all), await logitsOf(folded))).toBeLessThan(1e-3);
});
