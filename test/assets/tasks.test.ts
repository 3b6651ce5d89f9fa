import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { readTable } from "../../src/calibration/table.js";
import type { Example } from "../../src/evaluation/task.js";
import { findTasks } from "../../src/evaluation/tasks/registry.js";
import type { ModelKind } from "../../src/model/architecture.js";
import { assets } from "./assets.js";

/* Benchmarks' published files, from the file to what is asked: how many examples, of which class, and the first one's texts. */

async function examplesOf(
  name: string,
  kind: ModelKind,
  ...files: readonly string[]
): Promise<readonly Example[]> {
  const [task] = findTasks(name);
  const { header, fileNameColumn } = task.data;
  const examples: (Example | null)[] = [];
  for (const file of files) {
    const { rows } = await readTable(assets(`data/${file}`), header);
    const named = fileNameColumn ? { [fileNameColumn]: path.parse(file).name } : {};
    for (const row of rows) examples.push(task.forms[kind]?.example({ ...named, ...row }, []) ?? null);
  }
  return examples.filter((example) => example !== null);
}

function ofIndex(examples: readonly Example[], index: number): number {
  return examples.filter(({ gold }) => gold.kind === "index" && gold.index === index).length;
}

/** Cells of a line of a file of tabs. */
async function cellsOf(file: string, line: number): Promise<readonly string[]> {
  const lines = (await readFile(assets(`data/${file}`), "utf8")).split(/\r?\n/);
  return lines[line].split("\t");
}

// Rows of each class as the SOURCE.md files tell them; CoLA's as `cut -f2` counts them.
test.each([
  ["glue:sst2", ["sst2/glue-dev-872.tsv"], [428, 444]],
  ["glue:cola", ["cola/in_domain_dev.tsv", "cola/out_of_domain_dev.tsv"], [324, 719]],
  ["glue:mrpc", ["mrpc/msr_paraphrase_test.txt"], [578, 1147]],
  ["glue:rte", ["rte/dev.tsv"], [146, 131]],
  ["glue:rte", ["rte/validation.parquet"], [146, 131]],
  ["glue:qnli", ["qnli/dev.tsv"], [2702, 2761]],
])("%s makes an example of every row of %j, for both kinds of model", async (name, files, counts) => {
  for (const kind of ["classification", "causal"] as const) {
    const examples = await examplesOf(name, kind, ...files);
    expect(counts.map((_, index) => ofIndex(examples, index))).toEqual(counts);
    expect(examples).toHaveLength(counts[0] + counts[1]);
  }
});

test.each([
  ["glue:sst2", "sst2/glue-dev-872.tsv", 1, [0]],
  ["glue:cola", "cola/in_domain_dev.tsv", 0, [3]],
  ["glue:mrpc", "mrpc/msr_paraphrase_test.txt", 1, [3, 4]],
  ["glue:stsb", "stsb/sts-dev.csv", 0, [5, 6]],
  ["glue:rte", "rte/dev.tsv", 1, [0, 1]],
  ["glue:qnli", "qnli/dev.tsv", 1, [1, 2]],
])("%s: the first example of %s has its line's texts", async (name, file, line, columns) => {
  const [first] = await examplesOf(name, "classification", file);
  const cells = await cellsOf(file, line);
  expect(first.question).toEqual({ kind: "classes", texts: columns.map((column) => cells[column]) });
});

test("RTE asks the same of its table and of its parquet file", async () => {
  const [table, parquet] = await Promise.all(
    ["rte/dev.tsv", "rte/validation.parquet"].map((file) => examplesOf("glue:rte", "causal", file)),
  );
  expect(table).toEqual(parquet);
});

test("STS-B: 1,500 and 1,379 numbers from 0 to 5", async () => {
  const examples = await examplesOf("glue:stsb", "classification", "stsb/sts-dev.csv", "stsb/sts-test.csv");
  expect(examples).toHaveLength(1500 + 1379);
  const [score] = (await cellsOf("stsb/sts-dev.csv", 1)).slice(4);
  expect(examples[1].gold).toEqual({ kind: "number", number: Number(score) });
});

// Rows that lost their right choice when these tables were made are no examples (counted with Python's csv).
test.each([
  ["arc-challenge", "arc/ARC-C/dev/arc_challenge_dev.csv", 1096],
  ["arc-challenge", "arc/ARC-C/test/arc_challenge_test.csv", 294],
  ["arc-easy", "arc/ARC-E/dev/arc_easy_dev.csv", 2147],
  ["arc-easy", "arc/ARC-E/test/arc_easy_test.csv", 549],
])("%s has as many examples in %s as rows with their right choice", async (name, file, count) => {
  expect(await examplesOf(name, "causal", file)).toHaveLength(count);
});

test("MMLU: 1,529 questions of 57 subjects, named after their files", async () => {
  const files = (await readdir(assets("data/mmlu/val"))).sort().map((file) => `mmlu/val/${file}`);
  expect(files).toHaveLength(57);
  const examples = await examplesOf("mmlu", "causal", ...files);
  expect(examples).toHaveLength(1529);
  const [{ question }] = examples;
  const context = question.kind === "choices" ? question.choices[0].context : "";
  const description =
    "The following are multiple choice questions (with answers) about abstract algebra.\n\n";
  expect(context.startsWith(description)).toBe(true);
  expect(context).toMatch(/\nA\. .*\nB\. .*\nC\. .*\nD\. .*\nAnswer:$/);
});

// Articles, words, bytes and all texts by the harness's own Python (preprocess_wikitext.py) over the same files.
test.each([
  ["test", 62, 241_335, 1_290_527, "b0ae50e166add20959a5406d9b3c99fe1f23819ec0a10149047149434fb85d81"],
  ["valid", 60, 214_006, 1_146_785, "d5bd98ccac4d0ffcd8ca06d7bd1a94f0871b631d7e3d454578760fca5b575b95"],
])(
  "WikiText-2's raw %s file: %i articles, as the harness detokenizes them",
  async (split, articles, words, bytes, sha256) => {
    const [{ data, forms }] = findTasks("wikitext");
    const raw = await readFile(assets(`data/wikitext-2-raw/${split}.txt`), "utf8");
    const rows = data.rowsOfText?.(raw) ?? [];
    const hash = createHash("sha256");
    const counted = { words: 0, bytes: 0 };
    for (const [at, row] of rows.entries()) {
      const { question, gold } = forms.causal?.example(row, []) ?? expect.fail();
      if (question.kind !== "text" || gold.kind !== "text") expect.fail(question.kind);
      hash.update(`${at === 0 ? "" : "\0"}${question.text}`);
      counted.words += gold.words;
      counted.bytes += gold.bytes;
    }
    expect(rows).toHaveLength(articles);
    expect(counted).toEqual({ words, bytes });
    expect(hash.digest("hex")).toBe(sha256);
  },
);
