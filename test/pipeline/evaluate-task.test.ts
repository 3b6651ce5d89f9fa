import { readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { LuthierError } from "../../src/error.js";
import { findTasks } from "../../src/evaluation/tasks/registry.js";
import { openKernels } from "../../src/kernels/open.js";
import { type EvaluateTaskOptions, evaluateTask, type TaskResult } from "../../src/pipeline/evaluate-task.js";
import { type OpenModelOptions, openModelAt } from "../../src/pipeline/open-model.js";
import type { Progress } from "../../src/pipeline/progress.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { writeMadeUpBert } from "./made-up-bert.js";
import { writeMadeUpModel } from "./made-up-model.js";
import { suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const float = (folder: string): OpenModelOptions => ({ path: folder, engine: "float", kernels });
const taskOf = (name: string) => findTasks(name)[0];

const folder = suiteFolder();
const classifier = path.join(folder, "classifier");
const causal = path.join(folder, "causal");
beforeAll(async () => {
  await writeMadeUpBert(classifier, "classification");
  await writeMadeUpModel(causal);
});

type Given = Omit<EvaluateTaskOptions, "task" | "keep"> & { readonly keep?: string };

const evaluate = (name: string, options: Given) =>
  evaluateTask({ keep: null, ...options, task: taskOf(name) });

function put(name: string, rows: readonly object[]): string {
  const file = path.join(temporaryFolder(), name);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file;
}

/** A result without what differs from one time to the next. */
function lasting({ seconds: _, tokens: __, ...result }: TaskResult) {
  return result;
}

const reviews = [
  { sentence: "a river the cafe ", label: 1 },
  { sentence: "an an an", label: 0 },
  { sentence: "the 42 rivers.", label: 1 },
  { sentence: "cafe, cafe; the river-ing", label: 0 },
  { sentence: "x", label: 1 },
];

describe("a classifier", () => {
  /** Its classes by the model alone, text by text. */
  async function classesOf(sentences: readonly string[]): Promise<readonly number[]> {
    const { model, directory, close } = await openModelAt(float(classifier));
    const { encode } = await openTokenizer(directory);
    const found: number[] = [];
    for (const sentence of sentences) {
      const tokens = Int32Array.of(2, ...encode(sentence.trim()), 3); // [CLS] and [SEP]
      const [{ data }] = await model.readout([{ tokens, segments: null }]);
      found.push(data[0] >= data[1] ? 0 : 1);
    }
    await close();
    return found;
  }

  test("is scored on local rows by what its head says of each", async () => {
    const data = put("reviews.jsonl", reviews);
    const [result] = await evaluate("glue:sst2", { subjects: [float(classifier)], data });
    const classes = await classesOf(reviews.map(({ sentence }) => sentence));
    const right = reviews.filter(({ label }, at) => classes[at] === label).length;
    expect(result).toMatchObject({
      ...{ task: "glue:sst2", harness: null, engine: "float", target: null, comparison: null },
      ...{ examples: 5, available: 5, shots: 0, truncated: 0 },
      data: { name: "reviews.jsonl", split: null },
      metrics: [{ name: "acc", value: right / 5 }],
    });
    const encoded = await openTokenizer(classifier);
    const tokens = reviews.reduce((sum, { sentence }) => sum + encoded.encode(sentence).length + 2, 0);
    expect(result.tokens).toBe(tokens);
  });

  test("whose config.json has the classes the other way round is scored by their names", async () => {
    const data = put("reviews.jsonl", reviews);
    const swapped = await writeMadeUpBert(temporaryFolder(), "classification", {
      id2label: { 0: "positive", 1: "negative" },
    });
    const subjects = [float(classifier), float(swapped)];
    const [first, second] = await evaluate("glue:sst2", { subjects, data });
    expect(second.metrics[0].value).toBeCloseTo(1 - first.metrics[0].value, 12);
    expect(second.comparison?.agreement).toBe(0);
  });

  test("with other classes than the task's is refused", async () => {
    const row = { premise: "a", hypothesis: "b", label: 2 };
    const refused = evaluate("glue:mnli", {
      subjects: [float(classifier)],
      data: put("pairs.jsonl", [row]),
    });
    await expect(refused).rejects.toThrow(
      /glue:mnli has 3 classes, and the head of .*classifier gives 2 logits/,
    );
    const scored = { sentence1: "a", sentence2: "b", score: 3 };
    const regression = evaluate("glue:stsb", {
      subjects: [float(classifier)],
      data: put("s.jsonl", [scored]),
    });
    await expect(regression).rejects.toThrow("glue:stsb has numbers for answers");
  });

  test("texts longer than its context are cut, and counted", async () => {
    const data = put("long.jsonl", [...reviews, { sentence: "the river ".repeat(40), label: 0 }]);
    const [{ truncated, examples }] = await evaluate("glue:sst2", { subjects: [float(classifier)], data });
    expect([truncated, examples]).toEqual([1, 6]);
  });
});

test("a model that answers questions is scored on SQuAD's rows", async () => {
  const answering = await writeMadeUpBert(path.join(temporaryFolder(), "answering"), "answering");
  const rows = ["an", "the river", ""].map((text, at) => ({
    ...{ id: String(at), title: "", context: "the cafe an x river.", question: "the river?" },
    answers: { text: text === "" ? [] : [text], answer_start: text === "" ? [] : [0] },
  }));
  const [result] = await evaluate("squad-v2", {
    subjects: [float(answering)],
    data: put("squad.jsonl", rows),
  });
  expect(result.examples).toBe(3);
  const names = result.metrics.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["exact", "f1", "HasAns_exact", "NoAns_exact"]));
  for (const { value } of result.metrics) expect(value).toBeGreaterThanOrEqual(0);
});

describe("what is scored", () => {
  const subjects = [float(classifier)];

  test("are the first so many examples under a limit, and how many there are is said", async () => {
    const data = put("reviews.jsonl", reviews);
    const [limited] = await evaluate("glue:sst2", { subjects, data, limit: 2 });
    expect(limited).toMatchObject({ examples: 2, available: 5 });
    const [first] = await evaluate("glue:sst2", { subjects, data: put("a.jsonl", reviews.slice(0, 2)) });
    expect(limited.metrics).toEqual(first.metrics);
  });

  test("are rows with a label; without any it is refused", async () => {
    const hidden = reviews.map((row) => ({ ...row, label: -1 }));
    const some = put("some.jsonl", [...hidden, ...reviews]);
    expect(await evaluate("glue:sst2", { subjects, data: some })).toMatchObject([
      { examples: 5, available: 5 },
    ]);
    const none = evaluate("glue:sst2", { subjects, data: put("test.jsonl", hidden) });
    await expect(none).rejects.toThrow("none of the 5 rows of test.jsonl has a right answer");
  });

  test("is a task for this kind of model, or refused with those that it is for", async () => {
    const refused = evaluate("arc-easy", { subjects, data: put("a.jsonl", [{ question: "a" }]) });
    await expect(refused).rejects.toThrow(LuthierError);
    await expect(refused).rejects.toThrow(
      /arc-easy is no task for .*classifier, a model for sequence classification/,
    );
    await expect(refused).rejects.toMatchObject({
      fix: expect.stringContaining("a model for causal language modelling"),
    });
  });

  test("a task without solved examples cannot show any", async () => {
    const data = put("a.jsonl", [{ page: "a" }]);
    const refused = evaluate("wikitext", { subjects: [float(causal)], data, shots: 1 });
    await expect(refused).rejects.toThrow("wikitext has no solved examples to show");
  });

  test("a row that lacks a column is an error that names it", async () => {
    const refused = evaluate("glue:sst2", { subjects, data: put("a.jsonl", [{ text: "a", label: 0 }]) });
    await expect(refused).rejects.toThrow("sentence");
  });
});

const text = readFileSync("calibration/sampled-from-tiny.txt", "utf8");

/** Yes or no to `count` passages that fill the small model's context. */
const yesOrNo = (count: number, length = 200) =>
  Array.from({ length: count }, (_, at) => ({
    ...{ passage: text.slice(length * at, length * (at + 1)), question: "was it so", label: at % 2 },
  }));

describe("a scoring that is stopped", () => {
  const rows = path.join(folder, "passages.jsonl");
  const keep = path.join(folder, "answers");
  const file = path.join(keep, "causal.checkpoint.float.boolq.jsonl");
  const count = 200; // two portions, computed one after another
  let whole: TaskResult;
  let kept = "";

  const again = () => evaluate("boolq", { subjects: [float(causal)], data: rows, keep });

  beforeAll(async () => {
    writeFileSync(
      rows,
      yesOrNo(count)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(""),
    );
    [whole] = await again();
    kept = readFileSync(file, "utf8");
  }, 60_000);

  test("keeps its answers in a file for the model, its engine and the task", () => {
    expect(readdirSync(keep)).toEqual(["causal.checkpoint.float.boolq.jsonl"]);
    const [header, ...lines] = kept.trim().split("\n");
    expect(JSON.parse(header)).toMatchObject({
      ...{ format: "luthier-answers", version: 1 },
      madeFrom: { task: "boolq", examples: count, kind: "causal", engine: "float" },
    });
    expect(lines).toHaveLength(count);
  });

  test("and is done computes nothing again", async () => {
    const [result] = await again();
    expect(lasting(result)).toEqual(lasting(whole));
    expect(result.tokens).toBe(0);
  });

  test.each([
    ["in its second portion", (lines: readonly string[]) => `${lines.slice(0, -5).join("\n")}\n`],
    ["in the middle of a line", (lines: readonly string[]) => lines.join("\n").slice(0, -300)],
  ])("%s goes on there, with the same answers to the last bit", async (_, cut) => {
    writeFileSync(file, cut(kept.trimEnd().split("\n")));
    const [result] = await again();
    expect(lasting(result)).toEqual(lasting(whole));
    expect(result.tokens).toBeGreaterThan(0);
    expect(result.tokens).toBeLessThan(whole.tokens);
    const entries = (text: string) =>
      new Map(
        text
          .trim()
          .split("\n")
          .slice(1)
          .map((line) => JSON.parse(line)),
      );
    expect(entries(readFileSync(file, "utf8"))).toEqual(entries(kept));
  });

  test("with a file of another limit, or another task, begins anew", async () => {
    writeFileSync(file, kept.replace('"examples":200', '"examples":199'));
    expect(await again()).toMatchObject([{ tokens: whole.tokens }]);
    expect(readFileSync(file, "utf8")).toBe(kept);
    await evaluate("glue:sst2", {
      ...{ subjects: [float(classifier)], data: put("reviews.jsonl", reviews), keep },
    });
    const other = path.join(keep, "classifier.checkpoint.float.glue-sst2.jsonl");
    const answers = readFileSync(other, "utf8");
    renameSync(other, file);
    expect((await again())[0].tokens).toBe(whole.tokens);
    expect(answers).not.toBe(kept);
    expect(readFileSync(file, "utf8")).toBe(kept);
  });

  test("whose checkpoint has changed since begins anew", async () => {
    const model = await writeMadeUpBert(path.join(temporaryFolder(), "changing"), "classification");
    const data = put("reviews.jsonl", reviews);
    const score = async () =>
      (await evaluate("glue:sst2", { subjects: [float(model)], data, keep }))[0].tokens;
    const tokens = await score();
    expect(await score()).toBe(0);
    utimesSync(path.join(model, "model.safetensors"), 1000, 1000);
    expect(await score()).toBe(tokens);
  });
});

test("two models are scored on the same examples, the second compared with the first", async () => {
  const run = path.join(temporaryFolder(), "run");
  await quantize({ model: causal, recipe: await loadRecipe("rtn-int2-g64"), out: run, kernels });
  const data = put("passages.jsonl", yesOrNo(8));
  const told: Progress[] = [];
  const subjects: OpenModelOptions[] = [float(causal), float(causal), { path: run, engine: "lut", kernels }];
  const results = await evaluate("boolq", { subjects, data, onProgress: (each) => told.push(each) });
  const [first, same, lut] = results;
  expect(first.comparison).toBeNull();
  expect(same.metrics).toEqual(first.metrics);
  expect(same.comparison).toMatchObject({ agreement: 1, divergence: 0, metrics: [{ difference: 0 }] });
  expect(lut).toMatchObject({ engine: "lut", target: "t-mac", examples: 8 });
  expect(lut.comparison?.divergence).toBeGreaterThan(0);
  expect(lut.comparison?.metrics[0].difference).toBeCloseTo(
    lut.metrics[0].value - first.metrics[0].value,
    12,
  );
  expect([...new Set(told.map(({ stage }) => stage))]).toEqual([
    "boolq of causal, float",
    "boolq of run, t-mac",
  ]);
  expect(told.at(-1)).toMatchObject({ what: "8 of 8 examples" });
  for (const { done, total } of told) expect(done).toBeLessThanOrEqual(total);
});

test("solved examples stand before the question, from their own file", async () => {
  const data = put("passages.jsonl", yesOrNo(2, 40));
  const shotsData = put("solved.jsonl", yesOrNo(5, 40).slice(2));
  const subjects = [float(causal)];
  const [result] = await evaluate("boolq", { subjects, data, shotsData, shots: 1 });
  const [without] = await evaluate("boolq", { subjects, data });
  expect(result.shots).toBe(1);
  expect(result.tokens).toBeGreaterThan(without.tokens * 1.5);
});
