import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Question } from "../../../src/evaluation/question.js";
import { openKeptAnswers } from "../../../src/pipeline/kept-answers.js";
import { type PartRecord, readPartRecords, writePartRecord } from "../../../src/pipeline/part-records.js";
import {
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
  readStatedScheme,
} from "../../../src/pipeline/quantized-files.js";
import { type RunRecord, readEarlierRecord, readRunRecord } from "../../../src/pipeline/run-directory.js";
import { earlierScores } from "../../../src/report/report-file.js";
import { summarizeRun } from "../../../src/report/summary.js";
import { writeReport } from "../../../src/report/write.js";
import { readSensitivities, writeSensitivities } from "../../../src/search/sensitivity-files.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { mutateSealed } from "../mutate-sealed.js";
import { mutateText } from "../mutate-text.js";
import { samplesIn, writeTinyRun } from "../tiny-run.js";

const madeFrom = "a search";
const linear = "model.layers.0.mlp.down_proj";

/** The records of a run: what it is made of, how it began, what was quantized, parts, the report, what a search measured. */
export const records = parserInFolder({
  name: "records",
  covers: [
    "pipeline/record",
    "pipeline/run-directory",
    "pipeline/quantized-files",
    "pipeline/part-records",
    "report/report-file",
    "search/sensitivity-files",
    "schemes/weights",
    "schemes/int",
  ],
  async fill(folder) {
    await writeTinyRun(folder, "t-mac", { quantize: { method: "gptq", bits: 2, group: 128 } });
    const run = path.join(folder, "run");
    await writeReport(await summarizeRun(run));
    await writeSensitivities(run, 0, madeFrom, {
      [linear]: [{ candidate: "a", error: 0.5, divergence: null }],
    });
    await rm(path.join(run, "packs"), { recursive: true });
    await writePartRecord(run, partOf(await readRunRecord(run)));
    const lost = path.join(folder, "lost"); // a run whose run.json is
    await mkdir(path.join(lost, "quantized"), { recursive: true });
    await rename(path.join(run, "origin.json"), path.join(lost, "origin.json"));
    return samplesIn(folder, (file) => /^(run|lost)\/.*\.json$/.test(file) && !/tokenizer|config/.test(file));
  },
  mutation: () => mutateJson,
  async read(folder, { file }) {
    const run = path.join(folder, "run");
    if (file.endsWith("run.json")) {
      await readRunRecord(run);
      await readEarlierRecord(run);
    }
    if (file.endsWith("origin.json")) await readEarlierRecord(path.join(folder, "lost"));
    if (file.includes("parts")) await readPartRecords(run);
    if (file.includes("sensitivities")) await readSensitivities(run, 0, madeFrom);
    if (file.endsWith("report.json")) await earlierScores(run);
    if (file.endsWith("quantization.json")) {
      const made = (await readQuantizedIndex(run)).linears.find(({ name }) => name === linear);
      if (made !== undefined) await readScheme(path.join(quantizedFolder(run), made.file), made.weight);
    }
  },
});

/** What one of two parts would have recorded of the same. */
function partOf({ versions, model, recipe, inputs }: RunRecord): PartRecord {
  return {
    ...{ format: "luthier-part", version: 1, part: { index: 1, count: 2 }, versions, model },
    recipe: { ...recipe, file: "/recipes/fuzz.yaml" },
    inputs: inputs.map(({ sha256: _, ...input }) => input),
    ...{ linears: [linear], seconds: 1, peakMemoryBytes: 1, state: "done" },
  };
}

const methods = {
  int: { method: "rtn", bits: 3, group: 64 },
  planes: { method: "trit-planes", planes: 2, group: 64 },
  values: { method: "nf4", group: 64 },
  parts: { method: "llm-int8" },
};

/** A scheme of each representation, read by the outline that its file states. */
export const schemes = parserInFolder({
  name: "schemes",
  covers: [
    "schemes/weights",
    "schemes/int",
    "schemes/planes",
    "schemes/values",
    "schemes/parts",
    "schemes/vectors",
    "schemes/scale-grid",
  ],
  async fill(folder) {
    const samples = [];
    for (const [name, quantize] of Object.entries(methods)) {
      await writeTinyRun(path.join(folder, name), null, { quantize });
      samples.push(...(await samplesIn(folder, (file) => file.startsWith(name) && file.includes("k_proj"))));
    }
    await writeTinyRun(path.join(folder, "vectors"), null, { quantize: { method: "co-quantization" } });
    samples.push(
      ...(await samplesIn(folder, (file) => file.startsWith("vectors") && file.includes("k_proj"))),
    );
    return samples.filter(({ file }) => file.endsWith(".safetensors"));
  },
  mutation: () => mutateSealed,
  read: (folder, { file }) => readStatedScheme(path.join(folder, file)),
});

const questions: readonly Question[] = [
  { kind: "text", text: "a" },
  { kind: "choices", choices: [{ context: "a", continuation: "b" }] },
  { kind: "classes", texts: ["a"] },
  { kind: "span", question: "a", passage: "b" },
  { kind: "generation", context: "a", stops: ["b"], mostTokens: 3, alternative: null },
];
const asked = { questions, classes: 2 };

/** Answers as they were kept: whatever is wrong is dropped. */
export const answers = parserInFolder({
  name: "answers",
  covers: ["pipeline/kept-answers"],
  async fill(folder) {
    const kept = await openKeptAnswers(path.join(folder, "task.jsonl"), { of: "a test" }, asked);
    await kept.append([
      [0, { kind: "text", logLikelihood: -1.5, tokens: 3 }],
      [1, { kind: "choices", logLikelihoods: [-2], greedy: [true] }],
      [2, { kind: "classes", logits: [0.5, 1] }],
      [3, { kind: "span", text: "b", score: 1, noAnswerScore: 0 }],
      [4, { kind: "generation", text: "c", alternativeLogLikelihood: null }],
    ]);
    await kept.close();
    return samplesIn(folder, () => true);
  },
  mutation: () => mutateText,
  async read(folder, { file }) {
    await (await openKeptAnswers(path.join(folder, file), { of: "a test" }, asked)).close();
  },
});
