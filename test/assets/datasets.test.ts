import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { readText } from "../../src/calibration/datasets.js";
import { readTextColumn } from "../../src/calibration/parquet.js";
import { assets } from "./assets.js";

test("RTE's parquet file, compressed with snappy, has the sentences of its table", async () => {
  const folder = assets("data/rte");
  const sentences = await readTextColumn(path.join(folder, "validation.parquet"), "sentence2");
  const [header, ...rows] = (await readFile(path.join(folder, "dev.tsv"), "utf8")).trimEnd().split("\n");
  const column = header.split("\t").indexOf("sentence2");
  expect(column).toBeGreaterThan(0);
  const plain = rows.map((row) => row.split("\t")[column]).map((cell, i) => [cell, sentences[i]]);
  expect(sentences).toHaveLength(277);
  // The table writes some cells in quotes; all others must be equal.
  const unquoted = plain.filter(([cell]) => !cell.includes('"'));
  expect(unquoted.length).toBeGreaterThan(200);
  for (const [cell, sentence] of unquoted) expect(sentence).toBe(cell);
});

test("WikiText-2's test split is read as a text file", async () => {
  const { text, name } = await readText({ text: assets("data/wikitext-2-raw/test.txt") });
  expect(name).toBe("test.txt");
  expect(text.split(/\s+/).filter(Boolean)).toHaveLength(241_211); // words, as SOURCE.md counted
});
