import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openGgml } from "../../bench/peers/ggml.mjs";
import { openLlamaCpp } from "../../bench/peers/llama-cpp.mjs";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { GridScheme } from "../../src/schemes/scheme.js";
import { dequantize } from "../../src/schemes/weights.js";
import { gguf } from "../../src/targets/gguf/gguf.js";
import { matrix } from "../../src/tensor/matrix.js";
import { generatedSource } from "../model/generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../model/llama-variants.js";
import { bundledModel, temporaryFolder } from "../pipeline/run.js";
import { randomInput, randomInt, randomPlanes } from "../targets/random-weights.js";

/*
 * What ggml and llama.cpp, called through the shared libraries that npm brings, make of our blocks and files.
 * Needs `npm ci --prefix bench/peers --ignore-scripts` on Linux x64. With LUTHIER_ASSETS further models are tried.
 */

const ggml = openGgml();
const llamaCpp = openLlamaCpp();
const kernels = openKernels();

const int = (bits: number, granularity: number | "tensor") =>
  randomInt({ rows: 6, columns: 512, granularity, bits, symmetric: true }, bits);
const ternary = (granularity: number | "tensor") =>
  randomPlanes({ rows: 6, columns: 512, granularity, planes: 1 }, 7);

const blocks: readonly (readonly [type: keyof typeof ggml, weight: GridScheme])[] = [
  ["tq1_0", ternary(256)],
  ["tq1_0", int(1, 256)],
  ["tq2_0", ternary(256)],
  ["q2_0", ternary(64)],
  ["q2_0", int(2, 64)],
  ["q4_0", ternary(32)],
  ["q4_0", int(2, 32)],
  ["q4_0", int(3, 64)],
  ["q4_0", int(4, 32)],
  ["q8_0", ternary(128)],
  ["q8_0", int(4, 32)],
  ["q8_0", int(6, 32)],
  ["q8_0", int(8, 32)],
];

describe.each(blocks)("blocks of %s", (type, weight) => {
  const packed = gguf.pack(weight, { type });

  test("are decoded by ggml to the weights that the scheme stands for", () => {
    const { bytes } = packed.tensors.blocks;
    const plusZero = (values: Float32Array) => values.map((value) => value + 0); // −0 as 0
    expect(plusZero(ggml[type].dequantize(bytes))).toEqual(plusZero(dequantize(weight).data));
  });

  test("are multiplied by ggml's generic code to the same bits as by ours", async () => {
    const { bytes } = packed.tensors.blocks;
    const input = randomInput(3, 512, 5);
    const out = await gguf.open(packed, openKernels({ path: "reference" })).multiply(input);
    const rowBytes = bytes.length / 6;
    for (let token = 0; token < 3; token++) {
      const x = input.data.slice(token * 512, (token + 1) * 512);
      const expected = Array.from({ length: 6 }, (_, row) =>
        ggml[type].dot(bytes.slice(row * rowBytes, (row + 1) * rowBytes), x),
      );
      expect([...out.data.subarray(token * 6, (token + 1) * 6)]).toEqual(expected);
    }
  });
});

test.each(["tq1_0", "tq2_0", "q2_0"] as const)("ggml writes the bytes of our %s blocks itself", (type) => {
  // Ternary weights with a magnitude in every block: ggml finds the same scale and levels.
  const weight = ternary(256);
  const { bytes } = gguf.pack(weight, { type }).tensors.blocks;
  expect(ggml[type].quantize(dequantize(weight).data, 512)).toEqual(bytes);
});

test("one float32 scale of a tensor is computed as the FP16 value that ggml reads", async () => {
  const weight = ternary("tensor");
  const packed = gguf.pack(weight, { type: "tq2_0" });
  const { bytes } = packed.tensors.blocks;
  const rounded = ggml.tq2_0.dequantize(bytes);
  expect(rounded).not.toEqual(dequantize(weight).data);
  const input = randomInput(1, 512, 5);
  const out = await gguf.open(packed, kernels).multiply(matrix(1, 512, input.data));
  expect(out.data[0]).toBe(ggml.tq2_0.dot(bytes.slice(0, 132), input.data));
});

const text = path.join(import.meta.dirname, "../../calibration/the-miller-of-ashcombe.txt");

describe.each([
  ["q4_0", "rtn, bits: 4, group: 32, symmetric: true, clip: true"],
  ["q8_0", "rtn, bits: 8, group: 32, symmetric: true"],
  ["q2_0", "rtn, bits: 2, group: 64, symmetric: true, clip: true"],
  ["tq1_0", "absmean, group: 256"],
  ["tq2_0", "absmean, group: tensor"],
])("the bundled model in %s", (type, method) => {
  test("is loaded, tokenizes alike, and has the engine's perplexity within 0.5 %", async () => {
    const run = temporaryFolder();
    const resolved = `version: 1
rules: [{ match: lm_head, keep: float }, { match: "*", quantize: { method: ${method} } }]
targets: [{ target: gguf, type: ${type} }]`;
    await quantize({ model: bundledModel, recipe: loaded(resolved), out: run, kernels });
    const ids = (await openTokenizer(bundledModel)).encode(await readFile(text, "utf8"));
    const model = llamaCpp.open(path.join(run, "packs/gguf/model.gguf"));
    expect(model.tokenize(await readFile(text, "utf8"))).toEqual(ids);
    const theirs = model.perplexity(ids, 256);
    model.close();
    const ours = await evaluatePerplexity({
      path: run,
      engine: "lut",
      kernels,
      text: { text },
      context: 256,
    });
    expect(theirs.predictions).toBe(ours.predictions);
    expect(Math.abs(theirs.perplexity / ours.perplexity - 1)).toBeLessThan(0.005);
  });
});

test("texts of many scripts, numbers and blanks get the same ids", async () => {
  const run = temporaryFolder();
  await quantize({ model: bundledModel, recipe: loaded(int8Recipe), out: run, kernels });
  const tokenizer = await openTokenizer(bundledModel);
  const model = llamaCpp.open(path.join(run, "packs/gguf/model.gguf"));
  for (const sample of [
    "1234567 3.14",
    "  two  blanks\n\n\ttab ",
    "I'm, you'll, WE'VE",
    "naïve 東京 🙂 مرحبا",
    "a_b-c:d;e",
  ]) {
    expect(model.tokenize(sample)).toEqual(tokenizer.encode(sample));
  }
  model.close();
});

test.runIf(process.env.LUTHIER_ASSETS)("a SentencePiece model gets the same ids and perplexity", async () => {
  const stories = path.join(process.env.LUTHIER_ASSETS ?? "", "stories260K");
  const source = path.join(process.env.LUTHIER_ASSETS ?? "", "data/tinystories/tinystories.txt");
  const run = temporaryFolder();
  const resolved = `version: 1
rules: [{ match: [lm_head, "*.down_proj"], keep: float }, { match: "*", quantize: { method: rtn, bits: 4, group: 32, symmetric: true } }]
targets: [{ target: gguf }]`;
  await quantize({ model: stories, recipe: loaded(resolved), out: run, kernels });
  const tokenizer = await openTokenizer(stories);
  const model = llamaCpp.open(path.join(run, "packs/gguf/model.gguf"));
  const sample = (await readFile(source, "utf8")).slice(0, 20_000);
  const ids = tokenizer.encode(sample);
  for (const each of [sample, "  two  blanks", "naïve 東京 🙂\n\ttab"])
    expect(model.tokenize(each)).toEqual(tokenizer.encode(each));
  const theirs = model.perplexity(ids, 256);
  model.close();
  const file = path.join(run, "sample.txt");
  await writeFile(file, sample);
  const ours = await evaluatePerplexity({
    path: run,
    engine: "lut",
    kernels,
    text: { text: file },
    context: 256,
  });
  expect(Math.abs(theirs.perplexity / ours.perplexity - 1)).toBeLessThan(0.005);
});

const int8Recipe = `version: 1
rules: [{ match: ["*.q_proj", "*.k_proj", "*.v_proj", "*.gate_proj", "*.up_proj"], quantize: { method: rtn, bits: 8, group: 32, symmetric: true } }, { match: "*", keep: float }]
targets: [{ target: gguf }]`;

const refused = /bitnet|dynamic|attention factor|norms on q and k|mscale|mistral, yarn|outside/;
const variants = Object.entries(llamaVariants);

describe.each(variants.filter(([name]) => !refused.test(name)))("%s", (_, variant) => {
  test("is computed by llama.cpp as by the engine", async () => {
    const { run, ids } = await quantizedVariant(variant);
    const window = variant.config.sliding_window as number | null | undefined;
    const context = window ?? 16; // the file ends where a window would begin to slide
    const model = llamaCpp.open(path.join(run, "packs/gguf/model.gguf"));
    const theirs = model.perplexity(ids, context);
    model.close();
    const file = path.join(run, "letters.txt");
    const ours = await evaluatePerplexity({
      path: run,
      engine: "lut",
      kernels,
      text: { text: file },
      context,
    });
    expect(theirs.predictions).toBe(ours.predictions);
    expect(Math.abs(Math.log(theirs.perplexity / ours.perplexity))).toBeLessThan(0.005);
  });
});

test.each(variants.filter(([name]) => refused.test(name)))(
  "%s is refused before any work",
  async (_, variant) => {
    await expect(quantizedVariant(variant)).rejects.toThrow(/the model: gguf: /);
  },
);

/** A run of the variant, and the ids of its text: one letter a token. */
async function quantizedVariant({ config, tensors, windows }: LlamaVariant) {
  const folder = temporaryFolder();
  const source = generatedSource(tensors);
  const named = Object.entries(tensors).map(async ([name, shape]) => ({
    ...{ name, dtype: "F32" as const, shape },
    bytes: await source.read(name),
  }));
  await writeSafetensors(path.join(folder, "model.safetensors"), await Promise.all(named));
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  await writeFile(path.join(folder, "tokenizer.json"), JSON.stringify(letters(Number(config.vocab_size))));
  const ids = Int32Array.from(windows.flat());
  const run = path.join(folder, "run");
  await mkdir(run);
  await quantize({ model: folder, recipe: loaded(int8Recipe), out: run, kernels });
  await writeFile(path.join(run, "letters.txt"), [...ids].map(letter).join(""));
  return { run, ids };
}

/** A byte-level tokenizer of single letters. */
function letters(size: number) {
  const vocab = Object.fromEntries(Array.from({ length: size }, (_, id) => [letter(id), id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = { type: "BPE", vocab, merges: [] };
  const parts = { normalizer: null, pre_tokenizer: byteLevel, post_processor: byteLevel, decoder: byteLevel };
  return { model, added_tokens: [], ...parts };
}

function letter(id: number): string {
  return String.fromCharCode(48 + id);
}

function loaded(yaml: string) {
  return { name: "recipe", file: "recipe.yaml", text: yaml, recipe: parseRecipe(yaml, "recipe.yaml") };
}
