import path from "node:path";
import { z } from "zod";
import { LuthierError } from "../error.js";
import { readRecord } from "../pipeline/record.js";
import { type HarnessResults, harnessResults } from "./harness-results.js";
import { modelParts } from "./linear-place.js";
import type { Score } from "./score.js";
import type { RunSummary } from "./summary.js";

/* `reports/report.json`: the summary, and the run's scores once more under the keys of lm-evaluation-harness. */

const text = z.string();
const counted = z.int().min(0);
const interval = z.tuple([z.number(), z.number()]);

const scored = {
  of: z.enum(["checkpoint", "run"]).describe("the checkpoint itself, or what was quantized of it"),
  engine: z.enum(["float", "lut"]),
  target: text.nullable().describe("the pack's target; null in float arithmetic"),
  seconds: z.number().min(0),
};

const data = z.object({ name: text, split: text.nullable(), sha256: text });

const perplexity = z
  .looseObject({
    ...scored,
    task: z.literal("perplexity"),
    text: data,
    perplexity: z.number().describe("exp of the mean negative log-likelihood a token"),
    standardError: z.number().nullable(),
    negativeLogLikelihood: z.number().describe("nats a token"),
    wordPerplexity: z.number(),
    bytePerplexity: z.number(),
    predictions: counted,
    tokens: counted.describe("of the whole text"),
    windows: counted,
    context: counted.describe("tokens a window"),
    stride: counted.describe("tokens from one window's start to the next"),
    comparison: z
      .object({
        ratio: z.number().describe("to the checkpoint's perplexity"),
        interval: interval.nullable().describe("of the ratio, 95 %"),
        divergence: z.number().describe("Kullback–Leibler, nats a token"),
        agreement: z.number().describe("share of positions with the same most likely token"),
      })
      .nullable()
      .describe("with the checkpoint on the same windows; null of that itself"),
  })
  .describe("token perplexity of a text, in windows");

const metricDifference = z.object({
  name: text,
  difference: z.number().describe("less the checkpoint's"),
  interval: interval.describe("of the difference, 95 %, by paired bootstrap"),
  mcnemar: z.object({ onlyReference: counted, onlyModel: counted, p: z.number() }).nullable(),
});

const taskScore = z
  .looseObject({
    ...scored,
    task: text,
    harness: z.object({ task: text, version: text }).nullable(),
    metrics: z.array(
      z.object({
        name: text,
        value: z.number(),
        standardError: z.number().nullable(),
        higherIsBetter: z.boolean(),
      }),
    ),
    examples: counted.describe("scored; fewer than `available` under a limit"),
    available: counted,
    shots: counted,
    truncated: counted.describe("examples cut to the model's context"),
    data,
    tokens: counted,
    comparison: z
      .object({
        metrics: z.array(metricDifference),
        agreement: z.number().nullable(),
        divergence: z.number().nullable(),
      })
      .nullable()
      .describe("with the checkpoint on the same examples; null of that itself"),
  })
  .describe("a task's metrics");

const perTask = <T extends z.ZodType>(value: T) => z.record(text, value);

/** As it lies in the file; the type makes sure that the schema knows every key of a summary. */
type Report = RunSummary & HarnessResults & { readonly format: "luthier-report"; readonly version: 1 };

const reportSchema: z.ZodType<Report> = z.strictObject({
  format: z.literal("luthier-report"),
  version: z.literal(1),
  run: text,
  model: text,
  recipe: text,
  notes: z.array(text),
  provenance: z
    .strictObject({
      versions: z
        .record(text, text)
        .describe("of luthier and what it computes with; its commit, the platform"),
      inputs: z.array(z.strictObject({ name: text, bytes: counted, sha256: text })),
      calibration: z.strictObject({ name: text, sha256: text }).nullable(),
    })
    .describe("what decides the run's bytes, besides its recipe"),
  linears: z.array(
    z.strictObject({
      name: text,
      shape: z.tuple([counted, counted]).describe("outputs, inputs"),
      scheme: text,
      bytes: counted,
      relativeError: z.number().describe("‖W − Ŵ‖ / ‖W‖"),
      oddity: z.enum(["unchanged", "zeros"]).nullable(),
      tokens: counted
        .nullable()
        .describe("of the calibration text that reached it, of an expert's that was fitted to it"),
    }),
  ),
  quantizedWeights: counted,
  quantizedBytes: counted,
  quantizedBitsPerWeight: z.number(),
  parts: z
    .array(z.strictObject({ part: z.enum(modelParts), weights: counted, bytes: counted }))
    .describe("the whole model, kept tensors included"),
  packs: z.array(z.strictObject({ target: text, bytes: counted, bitsPerWeight: z.number() })),
  scores: z.array(z.union([perplexity, taskScore])),
  stages: z.array(z.strictObject({ name: text, seconds: z.number(), peakMemoryBytes: counted })),
  results: perTask(perTask(z.union([z.number(), text]))).describe(
    "of what is shipped, as lm-evaluation-harness has it: `acc,none`, `acc_stderr,none`; N/A where there is no number",
  ),
  versions: perTask(z.union([z.number(), text])).describe("of the harness's tasks"),
  "n-shot": perTask(counted),
  higher_is_better: perTask(perTask(z.boolean())),
  "n-samples": perTask(z.object({ original: counted, effective: counted })),
});

/** The published JSON Schema. */
export function reportJsonSchema(): object {
  return { title: "A run's report.json, as Luthier writes it", ...z.toJSONSchema(reportSchema) };
}

export function reportJson(summary: RunSummary): Report {
  return { format: "luthier-report", version: 1, ...summary, ...harnessResults(summary.scores) };
}

/** Scores that an earlier process wrote into a run's report; none when there is no report. @throws LuthierError when it is damaged. */
export async function earlierScores(run: string): Promise<readonly Score[]> {
  const file = path.join(run, "reports", "report.json");
  const found = await readRecord(file, reportSchema, "delete it: it is made again");
  return found?.scores ?? [];
}

/** The same for a report that is written anew: of a damaged one nothing can be kept. */
export async function scoresToKeep(run: string): Promise<readonly Score[]> {
  return earlierScores(run).catch((error) => {
    if (error instanceof LuthierError) return [];
    throw error;
  });
}
