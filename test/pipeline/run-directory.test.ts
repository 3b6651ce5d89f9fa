import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { prepareForPart, prepareRunDirectory, readRunRecord } from "../../src/pipeline/run-directory.js";
import { quantizeBundled, temporaryFolder } from "./run.js";

test("a new folder is made, with those above it", async () => {
  const folder = path.join(temporaryFolder(), "a", "b");
  await prepareRunDirectory(folder, false);
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder with other files and no run is refused, fresh or not, and left alone", async () => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "thesis.txt"), "years of work");
  for (const fresh of [false, true]) {
    await expect(prepareRunDirectory(folder, fresh)).rejects.toThrow(/thesis\.txt/);
  }
  expect(readdirSync(folder)).toEqual(["thesis.txt"]);
});

test("fresh deletes what a run wrote and nothing else", async () => {
  const folder = temporaryFolder();
  await quantizeBundled("rtn-int2-g64", folder);
  writeFileSync(path.join(folder, "notes.txt"), "mine");
  await prepareRunDirectory(folder, true);
  expect(readdirSync(folder)).toEqual(["notes.txt"]);
});

test("temporary files of a killed process are removed, finished files are not", async () => {
  const folder = temporaryFolder();
  const linears = path.join(folder, "quantized", "linears");
  mkdirSync(linears, { recursive: true });
  writeFileSync(path.join(linears, ".x.safetensors.7d1f0c52-9a0e-4b7e-8d62-2f0a6c1b4e93.tmp"), "half");
  writeFileSync(path.join(linears, "y.safetensors"), "whole");
  await prepareRunDirectory(folder, false);
  expect(existsSync(path.join(linears, ".x.safetensors.7d1f0c52-9a0e-4b7e-8d62-2f0a6c1b4e93.tmp"))).toBe(
    false,
  );
  expect(existsSync(path.join(linears, "y.safetensors"))).toBe(true);
});

test("for a part nothing is removed, and other files are refused all the same", async () => {
  const folder = temporaryFolder();
  writeFileSync(
    path.join(folder, ".x.safetensors.7d1f0c52-9a0e-4b7e-8d62-2f0a6c1b4e93.tmp"),
    "another part's",
  );
  writeFileSync(path.join(folder, ".luthier-lock.1-of-4"), "{}");
  await prepareForPart(folder);
  expect(readdirSync(folder).length).toBe(2);
  writeFileSync(path.join(folder, "thesis.txt"), "years of work");
  await expect(prepareForPart(folder)).rejects.toThrow(/thesis\.txt/);
});

test.each(["", "{", "[]", '{"format":"luthier-run","version":2}'])(
  "a damaged run.json (%j) is named, with the way out",
  async (text) => {
    const folder = temporaryFolder();
    writeFileSync(path.join(folder, "run.json"), text);
    await expect(readRunRecord(folder)).rejects.toMatchObject({
      message: expect.stringContaining("run.json"),
      fix: expect.stringContaining("--fresh"),
    });
  },
);
