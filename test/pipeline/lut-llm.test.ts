import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { estimate } from "../../src/pipeline/estimate.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { packRun } from "../../src/pipeline/pack.js";
import { planModel, type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { readAll } from "../../src/pipeline/quantized-files.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { writeVectors } from "../../src/pipeline/vectors.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { loadDevice } from "../../src/recipe/device.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { findTarget } from "../../src/targets/registry.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder } from "./run.js";

/* LUT-LLM from recipe to score, on a made-up model of two small blocks. */

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const suite = suiteFolder();
const model = await writeMadeUpModel(path.join(suite, "model"));

const recipeOf = (changes: object = {}) =>
  calibratedRecipe([{ match: "*", quantize: { method: "co-quantization" } }], {
    targets: [{ target: "lut-llm" }],
    ...changes,
  });

async function run(out: string, recipe: LoadedRecipe, options: Partial<QuantizeOptions> = {}) {
  await quantize({ model, recipe, out, kernels, ...options });
  return out;
}

async function perplexityOf(folder: string, engine: "float" | "lut") {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 1000));
  const found = await evaluatePerplexity({ path: folder, engine, kernels, text: { text }, context: 48 });
  return found.perplexity;
}

const kernelFidelity = { targets: [{ target: "lut-llm", fidelity: "kernel" }] };
const folding = { transforms: [{ transform: "fold-norms" }] };

describe("the same bytes come", async () => {
  const plain = await run(path.join(suite, "plain"), recipeOf());
  const before = hashesOf(plain);

  test("of one thread and of two", async () => {
    for (const threads of [1, 2]) {
      const other = path.join(temporaryFolder(), "run");
      await run(other, recipeOf(), { kernels: openKernels({ threads }) });
      expect(hashesOf(other)).toEqual(before);
    }
  });

  test.each([
    ["before the second block", 7],
    ["between gate, up and down", 6],
    ["within queries, keys and values", 2],
  ])("of a run that lost its linears %s and went on", async (_, finished) => {
    const out = await run(path.join(temporaryFolder(), "run"), recipeOf());
    const linears = path.join(out, "quantized", "linears");
    const names = readdirSync(linears).sort(inOrderOfModel);
    for (const name of names.slice(finished)) writeFileSync(path.join(linears, name), "cut short");
    await run(out, recipeOf());
    expect(hashesOf(out)).toEqual(before);
  });

  test("of a run that stopped while it was packed", async () => {
    const out = path.join(temporaryFolder(), "run");
    const stopping = run(out, recipeOf(), {
      onProgress({ stage, done }) {
        if (stage === "pack lut-llm" && done === 9) throw new Error("stopped");
      },
    });
    await expect(stopping).rejects.toThrow("stopped");
    expect(readdirSync(path.join(out, "packs", "lut-llm"))).not.toContain("manifest.json");
    await run(out, recipeOf());
    expect(hashesOf(out)).toEqual(before);
  });
});

describe("what a user does with a run:", async () => {
  const out = await run(path.join(suite, "run"), recipeOf());

  test("verify finds all well, and one overwritten byte in a port with its file and the linear", async () => {
    expect(await verifyRun(out, kernels)).toMatchObject({ packedLinears: 14, faults: [] });
    const damaged = await run(path.join(temporaryFolder(), "run"), recipeOf());
    const port = path.join(damaged, "packs", "lut-llm", "tables.05.bin");
    const bytes = readFileSync(port);
    bytes[0] ^= 1; // the first table of position 2: that of queries, keys and values of the first block
    writeFileSync(port, bytes);
    const faults = (await verifyRun(damaged, kernels)).faults.join("\n");
    expect(faults).toMatch(/packs\/lut-llm\/tables\.05\.bin: its sha256/);
    for (const name of ["q", "k", "v"]) {
      expect(faults).toMatch(
        new RegExp(`model.layers.0.self_attn.${name}_proj in .*lut-llm: unpacked entries differ`),
      );
    }
    expect(faults).not.toContain("layers.1");
  });

  test("estimate takes it, and the checkpoint by a recipe without calibration text", async () => {
    const given = { target: findTarget("lut-llm"), device: await loadDevice("v80"), prefill: 32, decode: 4 };
    const ofRun = await estimate({ ...given, path: out });
    const ofRecipe = await estimate({ ...given, path: model, recipe: recipeOf({ calibration: undefined }) });
    expect(ofRecipe.decode).toEqual(ofRun.decode);
    const kernel = recipeOf({ ...kernelFidelity, ...folding, calibration: undefined });
    expect((await estimate({ ...given, path: model, recipe: kernel })).decode).toEqual(ofRun.decode);
  });

  test("vectors has every signal of a linear, its ports, and corners of search and tables", async () => {
    const folder = temporaryFolder();
    const linear = "model.layers.1.mlp.up_proj";
    const { linears } = await writeVectors({
      ...{ run: out, out: folder, target: "lut-llm", linears: [linear], kernels, seed: 0, activations: 2 },
      encodings: ["mem", "bin", "npy", "h"],
      text: { text: path.join(corpora, "the-miller-of-ashcombe.txt") },
    });
    const [{ cases, memories }] = linears;
    expect(memories.map(({ name }) => name)).toEqual([
      ...Array.from({ length: 32 }, (_, port) => `tables.${String(port).padStart(2, "0")}`),
      ...["codebooks.0", "codebooks.1", "codebooks.2", "codebooks.3", "scales"],
    ]);
    const names = cases.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["centroid-ties", "beyond-search", "largest-entries"]));
    const read = (of: string, signal: string) => readFileSync(path.join(folder, linear, of, `${signal}.bin`));
    expect([...read("centroids", "input-ids")]).toEqual(Array.from({ length: 64 }, (_, p) => p));
    expect([...read("beyond-search", "input-ids")]).toEqual(new Array(64).fill(0));
    const lastSum = (of: string) =>
      new Uint32Array(new Uint8Array(read(of, "accumulators")).buffer).at(-192) ?? 0; // of output 0
    const sums = names.map(lastSum);
    expect(Math.max(...sums)).toBe(lastSum("largest-entries"));
    expect(Math.min(...sums)).toBe(lastSum("least-entries"));
  });
});

describe("fidelity: kernel", async () => {
  const folder = path.join(suite, "folded");
  const folded = await run(folder, recipeOf({ ...folding, ...kernelFidelity }));

  test("is refused in the plan, with the way out, for norms that the kernel has not", async () => {
    await expect(planModel(model, recipeOf(kernelFidelity))).rejects.toMatchObject({
      usage: true,
      message: expect.stringMatching(/norms of queries and keys.*transform: fold-norms/),
    });
    mkdirSync(path.join(suite, "llama"));
    const llama = await writeMadeUpModel(path.join(suite, "llama"), { model_type: "llama" });
    await expect(planModel(llama, recipeOf(kernelFidelity))).rejects.toThrow(
      "model.layers.0.input_layernorm.weight and 3 more norms have weights of their own",
    );
    await expect(planModel(llama, recipeOf({ ...kernelFidelity, ...folding }))).resolves.toBeDefined();
  });

  test("takes a model whose norms were folded: a Llama with norms of ones", async () => {
    const config = JSON.parse(readFileSync(path.join(folded, "quantized", "config.json"), "utf8"));
    expect(config).toMatchObject({ model_type: "llama", head_dim: 32 });
    const kept = await readAll(path.join(folded, "quantized", "kept.safetensors"));
    expect(Object.keys(kept).filter((name) => /[qk]_norm/.test(name))).toEqual([]);
    const norms = Object.keys(kept).filter((name) => name.startsWith("model.layers"));
    expect(norms.length).toBe(4);
    for (const norm of norms) {
      expect(new Float32Array(kept[norm].bytes.slice().buffer)).toEqual(new Float32Array(128).fill(1));
    }
    expect(await verifyRun(folded, kernels)).toMatchObject({ faults: [] });
  });

  test("is scored from the same bytes as linears are, and elsewhere comes out differently", async () => {
    const images = () => {
      const hashes = Object.entries(hashesOf(folded, ["packs"]));
      return Object.fromEntries(hashes.filter(([file]) => file.endsWith(".bin")));
    };
    const [ofKernel, before] = [await perplexityOf(folded, "lut"), images()];
    const choice = targetChoice(findTarget("lut-llm"), { fidelity: "linears" });
    await packRun({ run: folded, target: choice });
    expect(images()).toEqual(before);
    const ofLinears = await perplexityOf(folded, "lut");
    expect(ofKernel).not.toBe(ofLinears);
    expect(Math.abs(Math.log(ofKernel / ofLinears))).toBeLessThan(2);
  });

  test("is refused for a run whose norms were not folded", async () => {
    const out = await run(path.join(temporaryFolder(), "run"), recipeOf());
    const choice = targetChoice(findTarget("lut-llm"), { fidelity: "kernel" });
    await expect(packRun({ run: out, target: choice })).rejects.toThrow("norms of queries and keys");
  });
});

/** q, k, v, o, gate, up and down of the first block, then those of the second. */
function inOrderOfModel(a: string, b: string): number {
  const order = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
  const place = (file: string) =>
    Number(file.split(".")[2]) * order.length + order.findIndex((name) => file.includes(name));
  return place(a) - place(b);
}
