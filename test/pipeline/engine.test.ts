import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "./run.js";

const kernels = openKernels();
const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");

describe.each(["trit-planes-g128", "rtn-int4-g128", "bitnet-ternary", "gguf-q4_0", "gguf-tq2_0"])(
  "%s",
  (recipe) => {
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
  },
);

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
