import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { readBounded } from "../../src/checkpoint/bounded-file.js";
import { hashFile } from "../../src/checkpoint/file-hash.js";
import { temporaryFolder } from "./folder.js";

test("a file of just the bound is read, one of a byte more is refused", async () => {
  const file = path.join(await temporaryFolder(), "file");
  await writeFile(file, "abc");
  expect(Buffer.from(await readBounded(file, 3)).toString()).toBe("abc");
  await expect(readBounded(file, 2)).rejects.toThrow("has 3 bytes; files of its kind are read up to 2 bytes");
});

test("what has no size and no end is read up to the bound", async () => {
  await expect(readBounded("/dev/zero", 1e6)).rejects.toThrow("/dev/zero has more than 1000000 bytes");
  expect(await readBounded("/dev/null", 1e6)).toHaveLength(0);
});

test("what has no end has no hash", async () => {
  await expect(hashFile("/dev/zero")).rejects.toThrow("/dev/zero is a device or a pipe");
});
