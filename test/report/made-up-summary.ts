import type { Score } from "../../src/report/score.js";
import type { LinearSummary, RunSummary } from "../../src/report/summary.js";

/** A run of a decoder of this many blocks, its seven linears each `[1024, 1024]`. */
export function madeUpSummary(blocks: number, changes: Partial<RunSummary> = {}): RunSummary {
  const linears = Array.from({ length: blocks }, (_, block) =>
    kinds.map((kind) => linearOf(block, kind)),
  ).flat();
  const weights = linears.length * 2 ** 20;
  const bytes = linears.reduce((sum, each) => sum + each.bytes, 0);
  return {
    ...{ run: "runs/made-up", model: "models/made-up", recipe: "rtn-int4-g128", notes: [], scores: [] },
    provenance: {
      versions: { luthier: "0.1.0", node: "20.0.0", commit: "1".repeat(40) },
      inputs: [{ name: "model.safetensors", bytes: 2 ** 25, sha256: "2".repeat(64) }],
      calibration: { name: "novel.txt", sha256: "3".repeat(64) },
    },
    linears,
    quantizedWeights: weights,
    quantizedBytes: bytes,
    quantizedBitsPerWeight: (8 * bytes) / weights,
    parts: [
      { part: "embedding", weights: 2 ** 24, bytes: 2 ** 25 },
      { part: "attention", weights: (weights * 4) / 7, bytes: (bytes * 4) / 7 },
      { part: "feed-forward", weights: (weights * 3) / 7, bytes: (bytes * 3) / 7 },
      { part: "norms", weights: 2 ** 12, bytes: 2 ** 13 },
    ],
    packs: [{ target: "t-mac", bytes: (bytes * 4.5) / 4.1875, bitsPerWeight: 4.5 }],
    stages: [{ name: "quantize", seconds: 12.5, peakMemoryBytes: 2 ** 30 }],
    ...changes,
  };
}

const kinds = [
  ...["q_proj", "k_proj", "v_proj", "o_proj"].map((kind) => `self_attn.${kind}`),
  ...["gate_proj", "up_proj", "down_proj"].map((kind) => `mlp.${kind}`),
];

function linearOf(block: number, kind: string): LinearSummary {
  const relativeError = 0.09 + 0.02 * Math.abs(Math.sin(block + 3 * kinds.indexOf(kind)));
  return {
    ...{ name: `model.layers.${block}.${kind}`, shape: [1024, 1024], scheme: "int4 g128" },
    ...{ bytes: (4.1875 / 8) * 2 ** 20, relativeError, oddity: null, tokens: null },
  };
}

/** Scores on a task as checkpoint, quantized weights and pack have them; the pack's comparison has the interval [−0.03, 0.01]. */
export function madeUpTaskScores(task: string, limited = false): readonly Score[] {
  const data = { name: "made-up.tsv", split: "validation", sha256: task };
  const [examples, available] = [limited ? 100 : 872, 872];
  const score = (of: "checkpoint" | "run", target: string | null, value: number): Score => ({
    ...{ of, target, engine: target === null ? "float" : "lut", task, data, examples, available },
    harness: { task: task.split(":").at(-1) ?? task, version: "1.0" },
    metrics: [{ name: "acc", value, standardError: 0.0132, higherIsBetter: true }],
    ...{ shots: 0, truncated: 0, tokens: 21_000, seconds: 3.25 },
    comparison:
      of === "checkpoint"
        ? null
        : {
            metrics: [
              {
                ...{ name: "acc", difference: value - 0.8131, interval: [-0.03, 0.01] },
                mcnemar: { onlyReference: 9, onlyModel: 4, p: 0.2668 },
              },
            ],
            ...{ agreement: 0.985, divergence: 0.00123 },
          },
  });
  return [score("checkpoint", null, 0.8131), score("run", null, 0.8085), score("run", "t-mac", 0.8074)];
}

/** Perplexities of the checkpoint, 20, and of its pack, 21; those of words 100 and 110. */
export function madeUpPerplexities(name: string, context: number): readonly Score[] {
  const shared = {
    task: "perplexity",
    text: { name, split: null, sha256: name },
    context,
    stride: context,
    predictions: 3570,
    tokens: 3700,
    windows: 14,
    seconds: 1.5,
    standardError: 0.5,
  } as const;
  return [
    {
      ...shared,
      ...{ of: "checkpoint", engine: "float", target: null, comparison: null },
      ...{ perplexity: 20, negativeLogLikelihood: Math.log(20), wordPerplexity: 100, bytePerplexity: 2.5 },
    },
    {
      ...shared,
      ...{ of: "run", engine: "lut", target: "t-mac" },
      ...{ perplexity: 21, negativeLogLikelihood: Math.log(21), wordPerplexity: 110, bytePerplexity: 2.6 },
      comparison: { ratio: 1.05, interval: [1.04, 1.06], divergence: 0.05, agreement: 0.9 },
    },
  ];
}
