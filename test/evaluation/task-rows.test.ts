import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TaskData } from "../../src/evaluation/task.js";
import { readTaskRows } from "../../src/evaluation/task-rows.js";

const data: TaskData = {
  dataset: "org/name",
  config: null,
  split: "test",
  shotsSplit: null,
  header: ["question", "answer"],
};
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "luthier-rows-"));
});
afterEach(() => rm(folder, { recursive: true }));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function put(name: string, text: string): Promise<string> {
  await writeFile(path.join(folder, name), text);
  return path.join(folder, name);
}

test("a table's rows come with its name and the sha256 of its bytes", async () => {
  const file = await put("few.csv", "1 + 1?,2\n");
  expect(await readTaskRows(data, "test", file)).toEqual({
    rows: [{ question: "1 + 1?", answer: "2" }],
    name: "few.csv",
    split: null,
    sha256: sha256("1 + 1?,2\n"),
  });
});

test("a folder's tables are read by their names' order, and hashed one after another", async () => {
  await put("b.csv", "b?,2\n");
  await put("a.csv", "a?,1\n");
  await put("notes.md", "no table");
  const { rows, name, sha256: hash } = await readTaskRows(data, "test", folder);
  expect(rows.map(({ question }) => question)).toEqual(["a?", "b?"]);
  expect(name).toBe(path.basename(folder));
  expect(hash).toBe(sha256(sha256("a?,1\n") + sha256("b?,2\n")));
});

test("where files are parts, their names are a column, in a folder and alone, unless they have it", async () => {
  const parts = { ...data, fileNameColumn: "subject" };
  const file = await put("anatomy_val.csv", "a?,1\n");
  await put("biology_val.jsonl", '{"question": "b?", "subject": "botany"}\n');
  expect((await readTaskRows(parts, "test", file)).rows).toEqual([
    { subject: "anatomy_val", question: "a?", answer: "1" },
  ]);
  expect((await readTaskRows(parts, "test", folder)).rows.map(({ subject }) => subject)).toEqual([
    "anatomy_val",
    "botany",
  ]);
});

test("plain text is cut as the task says, and is a table of tabs where it says nothing", async () => {
  const cut = { ...data, rowsOfText: (text: string) => text.split("|").map((page) => ({ page })) };
  for (const name of ["wiki.txt", "wiki.test.raw"]) {
    const { rows, sha256: hash } = await readTaskRows(cut, "test", await put(name, "one|two"));
    expect(rows).toEqual([{ page: "one" }, { page: "two" }]);
    expect(hash).toBe(sha256("one|two"));
  }
  const { rows } = await readTaskRows(data, "test", await put("table.txt", "a?\t1\n"));
  expect(rows).toEqual([{ question: "a?", answer: "1" }]);
});

test("a folder without tables and a missing file are refused", async () => {
  await expect(readTaskRows(data, "test", folder)).rejects.toThrow("has no tables");
  await expect(readTaskRows(data, "test", path.join(folder, "none.csv"))).rejects.toThrow("none.csv");
});
