import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { reportMarkdown } from "../../src/report/markdown.js";
import { earlierScores, summarizeRun } from "../../src/report/summary.js";
import { bytesText, countText, secondsText } from "../../src/report/text.js";
import { writeReport } from "../../src/report/write.js";
import { quantizeBundled, temporaryFolder } from "../pipeline/run.js";

test("a run's report has its sizes, its scores and every linear, and gives its scores back", async () => {
  const run = temporaryFolder();
  await quantizeBundled("trit-planes-g128", run);
  const text = { name: "novel.txt", split: null, sha256: "0" };
  const measured = {
    perplexity: 32.018,
    negativeLogLikelihood: 3.466,
    predictions: 35700,
    tokens: 36073,
    windows: 140,
  };
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

  await writeReport(summary);
  const markdown = readFileSync(path.join(run, "reports", "report.md"), "utf8");
  expect(markdown).toBe(reportMarkdown(summary));
  expect(markdown).toContain("| t-mac pack, LUT engine | novel.txt | 32.018 | 35700 | 256 | 256 |");
  expect(markdown).toContain("| model.layers.3.mlp.down_proj | 256 × 768 | 2 trit planes g128 |");
  expect(await earlierScores(run)).toEqual(summary.scores);
});

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
