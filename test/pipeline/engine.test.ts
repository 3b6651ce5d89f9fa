import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { packFolder, readManifest } from "../../src/pipeline/pack-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "./run.js";

const kernels = openKernels();
const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");

describe.each([
  "trit-planes-g128",
  "rtn-int4-g128",
  "bitnet-ternary",
  "bcq-3bit-g128",
  "hqq-int4-g64",
  "gguf-q4_0",
  "gguf-tq2_0",
])("%s", (recipe) => {
  test("native and reference engines give the same logits, bit for bit", async () => {
    const out = temporaryFolder();
    await quantizeBundled(recipe, out);
    const tokens = (await openTokenizer(bundledModel)).encode(readFileSync(text, "utf8").slice(0, 150));
    const logits = [];
    for (const each of [openKernels({ path: "reference" }), openKernels({ threads: 1 }), kernels]) {
      const { model, close } = await openModelAt({ path: out, engine: "lut", kernels: each });
      logits.push((await model.logits(tokens)).data);
      await close();
    }
    expect(logits[0].some((value) => value !== 0)).toBe(true);
    expect(logits[1]).toEqual(logits[0]);
    expect(logits[2]).toEqual(logits[0]);
  });
});

test("linears of one pack may have float, INT8 and INT16 inputs", async () => {
  const recipe = path.join(temporaryFolder(), "mixed.yaml");
  writeFileSync(
    recipe,
    `version: 1
rules:
  - { match: "*.mlp.*", quantize: { method: rtn, bits: 4, group: 64 }, activation: { scheme: int8 } }
  - { match: "*.v_proj", quantize: { method: trit-planes }, activation: { scheme: int16 } }
  - { match: "*.self_attn.*", quantize: { method: rtn, bits: 3, group: 16 } }
  - { match: "*", keep: float }
targets: [{ target: lut-tensor-core }]
`,
  );
  const out = temporaryFolder();
  await quantizeBundled(recipe, out);
  expect((await verifyRun(out, kernels)).faults).toEqual([]);
  const { linears } = await readManifest(packFolder(out, "lut-tensor-core"));
  const inputs = new Set(linears.map(({ layout }) => layout.input));
  expect(inputs).toEqual(new Set(["float16", "int8", "int16"]));
  const score = async (engine: "float" | "lut") =>
    (await evaluatePerplexity({ path: out, engine, kernels, text: { text }, context: 256 })).perplexity;
  expect(Math.abs((await score("lut")) / (await score("float")) - 1)).toBeLessThan(0.01);
});

test("the engine's perplexity is near that of the dequantized weights, and both a little above the checkpoint's", async () => {
  const out = temporaryFolder();
  await quantizeBundled("trit-planes-g128", out);
  const score = async (folder: string, engine: "float" | "lut") =>
    (await evaluatePerplexity({ path: folder, engine, kernels, text: { text }, context: 256 })).perplexity;
  const [float, quantized, lut] = [
    await score(bundledModel, "float"),
    await score(out, "float"),
    await score(out, "lut"),
  ];
  expect(quantized / float).toBeGreaterThan(1);
  expect(quantized / float).toBeLessThan(1.08);
  expect(Math.abs(lut / quantized - 1)).toBeLessThan(0.005);
});

test("a checkpoint has no pack for the lut engine", async () => {
  await expect(openModelAt({ path: bundledModel, engine: "lut", kernels })).rejects.toThrow(/no pack/);
});
