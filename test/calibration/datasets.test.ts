import { createHash } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { readText, type TextSource } from "../../src/calibration/datasets.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "../checkpoint/folder.js";
import { type HubFile, hubServer } from "../checkpoint/hub-server.js";
import { parquetFile } from "./parquet-file.js";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function fileWith(content: string | Uint8Array): Promise<string> {
  const file = path.join(await temporaryFolder(), "corpus.txt");
  await writeFile(file, content);
  return file;
}

test("a text file is read as it stands, with its name and hash", async () => {
  const file = await fileWith("one\n\ntwo é\n");
  expect(await readText({ text: file })).toEqual({
    text: "one\n\ntwo é\n",
    name: "corpus.txt",
    split: null,
    sha256: sha256("one\n\ntwo é\n"),
  });
});

test("a file that is not UTF-8 is refused by name", async () => {
  const file = await fileWith(Buffer.from([0x63, 0x61, 0x66, 0xe9])); // Latin-1
  await expect(readText({ text: file })).rejects.toThrow(`${file} is not UTF-8 text`);
});

test("a file longer than a text can be is refused before it is read", async () => {
  const file = await fileWith("x");
  await truncate(file, 1e9); // sparse: takes no space
  await expect(readText({ text: file })).rejects.toThrow(/has 1000000000 bytes/);
});

test("a missing file is refused by name", async () => {
  await expect(readText({ text: "/nonexistent.txt" })).rejects.toThrow(
    "cannot read /nonexistent.txt: it does not exist",
  );
});

function parquet(name: string, values: readonly string[], column = "text"): HubFile {
  return { path: name, content: parquetFile({ name: column, values }), lfs: true };
}

/** Reads a text from a hub that holds one data set. */
async function readFrom(name: string, files: readonly HubFile[], source: TextSource) {
  const hub = await hubServer(`datasets/${name}`, files);
  const environment = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: await temporaryFolder() };
  return { hub, environment, text: await readText(source, { environment }) };
}

const wikitext = [
  parquet("wikitext-2-raw-v1/test-00000-of-00001.parquet", ["", " = Title = \n", "", " Body .\n"]),
  parquet("wikitext-2-raw-v1/train-00000-of-00001.parquet", ["train"]),
  parquet("wikitext-103-raw-v1/test-00000-of-00001.parquet", ["other"]),
];

test("wikitext2 is the raw version, its rows joined with blank lines, empty ones included", async () => {
  const { hub, text } = await readFrom("Salesforce/wikitext", wikitext, {
    dataset: "wikitext2",
    split: "test",
  });
  const expected = "\n\n = Title = \n\n\n\n\n Body .\n";
  expect(text).toEqual({
    text: expected,
    name: "Salesforce/wikitext wikitext-2-raw-v1",
    split: "test",
    sha256: sha256(expected),
  });
  expect(hub.network).toHaveLength(1);
});

test("offline, a split read before is read again", async () => {
  const source = { dataset: "wikitext2", split: "test" };
  const { environment, text } = await readFrom("Salesforce/wikitext", wikitext, source);
  const offline = { ...environment, HF_HUB_OFFLINE: "1" };
  expect(await readText(source, { environment: offline })).toEqual(text);
  await expect(readText({ ...source, split: "train" }, { environment: offline })).rejects.toThrow(
    /no split train/,
  );
});

test("the files of a split are read in order", async () => {
  const files = [
    parquet("data/train-00001-of-00002-0123abcd.parquet", ["c"]),
    parquet("data/train-00000-of-00002-4567cdef.parquet", ["a", "b"]),
  ];
  const { text } = await readFrom("org/texts", files, { dataset: "org/texts", split: "train" });
  expect(text.text).toBe("a\n\nb\n\nc");
});

test.each([
  ["train.parquet", undefined],
  ["data/train.parquet", undefined],
  ["train-00000-of-00001.parquet", undefined],
  ["en/train.parquet", "en"],
  ["en/train/0000.parquet", "en"],
  ["a/b/train-00000-of-00001.parquet", "a/b"],
])("%s is the split train of configuration %s", async (file, config) => {
  const source = { dataset: "org/texts", split: "train", ...(config && { config }) };
  expect((await readFrom("org/texts", [parquet(file, ["x"])], source)).text.text).toBe("x");
});

test("another column can be named", async () => {
  const source = { dataset: "org/texts", split: "train", column: "story" };
  expect((await readFrom("org/texts", [parquet("train.parquet", ["x"], "story")], source)).text.text).toBe(
    "x",
  );
});

test("a split that is not there is an error that names those that are", async () => {
  const error = await readFrom("Salesforce/wikitext", wikitext, { dataset: "wikitext2", split: "dev" }).catch(
    (e) => e,
  );
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toMatch(/has no split dev of configuration wikitext-2-raw-v1/);
  expect(error.fix).toMatch(/wikitext-2-raw-v1\/test, wikitext-2-raw-v1\/train/);
});

test("a data set without parquet files points at the hub's conversion", async () => {
  const files = [{ path: "train.json", content: Buffer.from("{}") }];
  const error = await readFrom("org/texts", files, { dataset: "org/texts", split: "train" }).catch((e) => e);
  expect(error.fix).toMatch(/org\/texts@refs\/convert\/parquet/);
});

test("a split with a file missing is refused, not shortened", async () => {
  const files = [parquet("data/train-00000-of-00002.parquet", ["a"])];
  await expect(readFrom("org/texts", files, { dataset: "org/texts", split: "train" })).rejects.toThrow(
    /the split train of org\/texts has 1 files here, not all 2/,
  );
});
