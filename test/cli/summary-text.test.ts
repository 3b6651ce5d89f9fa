import { expect, test } from "vitest";
import { summaryText } from "../../cli/summary-text.js";
import type { Score } from "../../src/report/score.js";
import type { Oddity, RunSummary } from "../../src/report/summary.js";

const score = (name: string, of: Score["of"], perplexity: number): Score => ({
  ...{
    task: "perplexity",
    of,
    perplexity,
    seconds: 1,
    target: null,
    engine: "float",
    standardError: 0.5,
    wordPerplexity: 300,
    bytePerplexity: 3,
    comparison: null,
    negativeLogLikelihood: 1,
  },
  ...{ predictions: 9, tokens: 10, windows: 1, context: 10, stride: 10 },
  text: { name, split: null, sha256: name },
});

test("linears that a method may have missed are named", () => {
  const linear = (name: string, relativeError: number, oddity: Oddity | null) => ({
    ...{ name, relativeError, oddity, tokens: null, shape: [2, 2] as const, scheme: "int4", bytes: 2 },
  });
  const summary: RunSummary = {
    ...{ run: "r", model: "m", recipe: "x", parts: [], packs: [], stages: [], scores: [], notes: [] },
    provenance: { versions: {}, inputs: [], calibration: null },
    ...{ quantizedWeights: 8, quantizedBytes: 4, quantizedBitsPerWeight: 4 },
    linears: [linear("a", 0, "unchanged"), linear("b", 0.1, null), linear("c", 0, "unchanged")],
  };
  expect(summaryText(summary)).toContain("2 linears unchanged (relative error 0): a, c");
  expect(summaryText({ ...summary, linears: [summary.linears[1]] })).not.toContain("look at");
});

test("each text has its own table, and is compared with the float model on the same text", () => {
  const summary: RunSummary = {
    ...{ run: "r", model: "m", recipe: "x", linears: [], parts: [], packs: [], stages: [], notes: [] },
    provenance: { versions: {}, inputs: [], calibration: null },
    ...{ quantizedWeights: 0, quantizedBytes: 0, quantizedBitsPerWeight: 0 },
    scores: [
      score("one.txt", "checkpoint", 10),
      score("one.txt", "run", 11),
      score("two.txt", "checkpoint", 20),
      score("two.txt", "run", 30),
    ],
  };
  const lines = summaryText(summary).split("\n");
  const after = (text: string) =>
    lines
      .slice(
        0,
        lines.findIndex((line) => line.startsWith(text)),
      )
      .slice(-1)[0];
  expect(after("one.txt")).toContain("1.1000 ×");
  expect(after("two.txt")).toContain("1.5000 ×");
});
