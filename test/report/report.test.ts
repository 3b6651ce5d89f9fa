import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { reportMarkdown } from "../../src/report/markdown.js";
import { earlierScores } from "../../src/report/report-file.js";
import { summarizeRun } from "../../src/report/summary.js";
import { bytesText, countText, secondsText } from "../../src/report/text.js";
import { writeReport } from "../../src/report/write.js";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { quantizeBundled, recipeOf, temporaryFolder } from "../pipeline/run.js";

test("a run's report has its sizes, its scores and every linear, and gives its scores back", async () => {
  const run = temporaryFolder();
  await quantizeBundled("trit-planes-g128", run);
  const text = { name: "novel.txt", split: null, sha256: "0" };
  const measured = {
    perplexity: 32.018,
    negativeLogLikelihood: 3.466,
    ...{ standardError: 0.4, wordPerplexity: 90, bytePerplexity: 3 },
    comparison: { ratio: 1.02, interval: [1.01, 1.03], divergence: 0.05, agreement: 0.9 },
    predictions: 35700,
    tokens: 36073,
    windows: 140,
  } as const;
  const shape = {
    context: 256,
    stride: 256,
    seconds: 1,
    text,
    task: "perplexity",
    engine: "lut",
    target: "t-mac",
  } as const;
  const summary = await summarizeRun(run, [{ of: "run", ...measured, ...shape }]);

  expect(summary.linears.length).toBe(28);
  expect(summary.quantizedWeights).toBe(4 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 256 * 768));
  expect(summary.quantizedBitsPerWeight).toBeCloseTo(3.45, 2);

  // The head is the embedding's tensor; its weights, and those of norms, stay BF16.
  const [norms, embedding] = [4 * (256 + 256 + 64 + 64) + 256, 2048 * 256];
  expect(summary.parts.map(({ part, weights }) => [part, weights])).toEqual([
    ["embedding", embedding],
    ["attention", 4 * (2 * 256 * 256 + 2 * 128 * 256)],
    ["feed-forward", 4 * 3 * 256 * 768],
    ["norms", norms],
  ]);
  const bytes = summary.parts.reduce((sum, part) => sum + part.bytes, 0);
  expect(bytes).toBe(summary.quantizedBytes + 2 * (norms + embedding));

  await writeReport(summary);
  const markdown = readFileSync(path.join(run, "reports", "report.md"), "utf8");
  expect(markdown).toBe(reportMarkdown(summary));
  expect(markdown).toContain(
    "| perplexity | token perplexity | t-mac pack, LUT engine | 32.018 ± 0.400 | 1.0200 × | 1.0100 × to 1.0300 × | novel.txt | context 256, stride 256, 35700 predictions |",
  );
  expect(markdown).toContain("| model.layers.3.mlp.down_proj | 256 × 768 | 2 trit planes g128 |");
  expect(await earlierScores(run)).toEqual(summary.scores);
});

test("weights left as they were, and linears of zeros, are named", async () => {
  const model = await writeMadeUpModel(path.join(temporaryFolder(), "model"));
  const [kept, tiny] = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"];
  changeTensor(model, `${kept}.weight`, (value) => Math.sign(value) / 4);
  changeTensor(model, `${tiny}.weight`, (value) => value / 2 ** 30);
  const run = path.join(temporaryFolder(), "run");
  const rule = { quantize: { method: "rtn", bits: 2, group: "row", symmetric: true } };
  const recipe = recipeOf([
    { match: "lm_head", keep: "float" },
    { match: "*", ...rule },
  ]);
  await quantize({ model, recipe, out: run, kernels: openKernels() });
  const summary = await summarizeRun(run);
  const oddities = summary.linears.filter(({ oddity }) => oddity).map(({ name, oddity }) => [name, oddity]);
  expect(oddities).toEqual([
    [kept, "unchanged"],
    [tiny, "zeros"],
  ]);
  expect(reportMarkdown(summary)).toContain(`1 linear unchanged (relative error 0): ${kept}\n`);
  expect(reportMarkdown(summary)).toContain(`1 linear quantized to zeros: ${tiny}\n`);
});

/** Changes the values of a float32 tensor of a checkpoint of one shard. */
function changeTensor(model: string, name: string, change: (value: number) => number): void {
  const file = path.join(model, "model.safetensors");
  const bytes = readFileSync(file);
  const header = Number(bytes.readBigUInt64LE(0));
  const [first, last] = JSON.parse(bytes.toString("utf8", 8, 8 + header))[name].data_offsets;
  for (let at = 8 + header + first; at < 8 + header + last; at += 4)
    bytes.writeFloatLE(change(bytes.readFloatLE(at)), at);
  writeFileSync(file, bytes);
}

test("sizes, counts and times are written with three digits", () => {
  expect([bytesText(0), bytesText(1023), bytesText(1536), bytesText(7.01 * 2 ** 20)]).toEqual([
    "0 B",
    "1023 B",
    "1.50 KiB",
    "7.01 MiB",
  ]);
  expect([countText(999), countText(3_145_728), countText(440_401_920)]).toEqual(["999", "3.15 M", "440 M"]);
  expect([secondsText(0.5), secondsText(59.94), secondsText(61), secondsText(7260)]).toEqual([
    "0.50 s",
    "59.9 s",
    "1 min 1 s",
    "2 h 1 min",
  ]);
});
