import { readdir } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import type { Row } from "../../src/calibration/rows.js";
import { readTable } from "../../src/calibration/table.js";
import { assets } from "./assets.js";

/* All of the benchmarks' files here parse whole, with the numbers of rows that their SOURCE.md tells. */

async function rowsOf(file: string, header: readonly string[] | null = null): Promise<readonly Row[]> {
  return (await readTable(assets(path.join("data", file)), header)).rows;
}

function count(rows: readonly Row[], column: string, value: unknown): number {
  return rows.filter((row) => row[column] === value).length;
}

test("SST-2: the 872 of GLUE's development set, 444 positive, and 60,614 of its training set", async () => {
  const { rows, sha256 } = await readTable(assets("data/sst2/glue-dev-872.tsv"), null);
  expect(sha256).toBe("54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0");
  expect(rows).toHaveLength(872);
  expect(count(rows, "label", "1")).toBe(444);
  expect(rows[0]).toEqual({ sentence: "it 's a charming and often affecting journey . ", label: "1" });
  const train = await rowsOf("sst2/train-60614.tsv");
  expect(train).toHaveLength(60_614);
  expect(count(train, "label", "0") + count(train, "label", "1")).toBe(60_614);
});

test("CoLA: 527 in and 516 out of domain, 8,551 to train on, without a line of names", async () => {
  const header = ["source", "label", "mark", "sentence"];
  const expected = { in_domain_dev: 527, out_of_domain_dev: 516, in_domain_train: 8551 };
  for (const [name, rows] of Object.entries(expected)) {
    const found = await rowsOf(`cola/${name}.tsv`, header);
    expect(found).toHaveLength(rows);
    expect(count(found, "label", "0") + count(found, "label", "1")).toBe(rows);
  }
});

test("STS-B: 1,500 and 1,379, scores from 0 to 5, with quotes that are quotes and columns beyond the known", async () => {
  const header = ["genre", "filename", "year", "id", "score", "sentence1", "sentence2"];
  for (const [name, rows] of [
    ["dev", 1500],
    ["test", 1379],
  ] as const) {
    const found = await rowsOf(`stsb/sts-${name}.csv`, header);
    expect(found).toHaveLength(rows);
    for (const row of found) {
      expect(Number(row.score)).toBeGreaterThanOrEqual(0);
      expect(Number(row.score)).toBeLessThanOrEqual(5);
      expect(row.sentence1).not.toBe("");
      expect(row.sentence2).not.toBe("");
    }
  }
});

test("MRPC: 1,725, 1,147 of them paraphrases, with a mark of byte order and stray quotes", async () => {
  const rows = await rowsOf("mrpc/msr_paraphrase_test.txt");
  expect(rows).toHaveLength(1725);
  expect(count(rows, "Quality", "1")).toBe(1147);
  expect(Object.keys(rows[0])).toEqual(["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]);
});

test("RTE: the 277 of its table are, to the letter, the 277 of its parquet file", async () => {
  const table = await rowsOf("rte/dev.tsv");
  const parquet = await rowsOf("rte/validation.parquet");
  expect(table).toHaveLength(277);
  expect(count(parquet, "label", 0)).toBe(146);
  expect(table).toEqual(parquet.map((row) => ({ ...row, label: String(row.label), idx: String(row.idx) })));
});

test("QNLI: 5,463, 2,702 of them entailed", async () => {
  const rows = await rowsOf("qnli/dev.tsv");
  expect(rows).toHaveLength(5463);
  expect(count(rows, "label", "entailment")).toBe(2702);
});

const choices = ["question", "A", "B", "C", "D", "answer"];

test.each([
  ["ARC-C/dev/arc_challenge_dev.csv", 1119],
  ["ARC-C/test/arc_challenge_test.csv", 299],
  ["ARC-E/dev/arc_easy_dev.csv", 2251],
  ["ARC-E/test/arc_easy_test.csv", 570],
])("ARC: %s has %d", async (file, rows) => {
  const found = await rowsOf(`arc/${file}`, choices);
  expect(found).toHaveLength(rows);
  // A few of these have five choices, or answers by number: theirs are empty in these files.
  for (const row of found) expect(row.answer).toMatch(/^[A-E1-4]$/);
  expect(found.filter(({ A, answer }) => A === "" || answer === "E").length).toBeLessThan(rows * 0.06);
});

test.each([
  ["dev", 285],
  ["val", 1529],
])("MMLU: 57 subjects, %s %d", async (split, rows) => {
  const files = await readdir(assets(`data/mmlu/${split}`));
  expect(files).toHaveLength(57);
  const found = (await Promise.all(files.map((file) => rowsOf(`mmlu/${split}/${file}`, choices)))).flat();
  expect(found).toHaveLength(rows);
  for (const row of found) expect(row.answer).toMatch(/^[A-D]$/);
});

test("TruthfulQA: 817", async () => {
  const rows = await rowsOf("truthfulqa/TruthfulQA.csv");
  expect(rows).toHaveLength(817);
  expect(Object.keys(rows[0])[0]).toBe("Type");
  for (const row of rows) expect(row["Best Answer"]).not.toBe("");
});
