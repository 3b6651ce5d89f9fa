import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { isTemporary, writeAtomically } from "../../src/checkpoint/atomic.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

test("writes all chunks and tells their length and sha256", async () => {
  const folder = await temporaryFolder();
  const file = path.join(folder, "abc");
  const written = await writeAtomically(file, [Buffer.from("a"), Buffer.from("bc")]);
  expect(await readFile(file, "utf8")).toBe("abc");
  // FIPS 180-2, appendix B.1
  expect(written).toEqual({
    bytes: 3,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  });
  expect(await readdir(folder)).toEqual(["abc"]);
});

test("when the chunks fail midway, the old file stays and nothing is left behind", async () => {
  const folder = await temporaryFolder();
  const file = path.join(folder, "result");
  await writeFile(file, "old");
  async function* failing() {
    yield Buffer.from("new");
    throw new Error("midway");
  }
  await expect(writeAtomically(file, failing())).rejects.toThrow("midway");
  expect(await readFile(file, "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["result"]);
});

test("the file is not there before all chunks are", async () => {
  const folder = await temporaryFolder();
  const seen: string[][] = [];
  async function* watching() {
    yield Buffer.from("x");
    seen.push(await readdir(folder));
  }
  await writeAtomically(path.join(folder, "result"), watching());
  expect(seen).toEqual([[expect.stringMatching(/^\.result\..+\.tmp$/)]]);
  expect(seen[0].every(isTemporary)).toBe(true);
});

test("several may write the same file at the same time: one of them is there, whole", async () => {
  const folder = await temporaryFolder();
  const file = path.join(folder, "result");
  const texts = Array.from({ length: 20 }, (_, at) => String(at).repeat(1000));
  await Promise.all(texts.map((text) => writeAtomically(file, [Buffer.from(text)])));
  expect(texts).toContain(await readFile(file, "utf8"));
  expect(await readdir(folder)).toEqual(["result"]);
});

test("a link in the place of the file is replaced and not followed", async () => {
  const folder = await temporaryFolder();
  const [file, elsewhere] = [path.join(folder, "result"), path.join(await temporaryFolder(), "elsewhere")];
  await writeFile(elsewhere, "not to be changed");
  await symlink(elsewhere, file);
  await writeAtomically(file, [Buffer.from("new")]);
  expect(await readFile(elsewhere, "utf8")).toBe("not to be changed");
  expect((await lstat(file)).isFile()).toBe(true);
});

test("a folder that does not exist is an error that names the file", async () => {
  const file = path.join(await temporaryFolder(), "nowhere", "result");
  const error = await writeAtomically(file, []).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toBe(`cannot write ${file}: it does not exist`);
});

test("a folder in the file's place is an error and stays", async () => {
  const folder = await temporaryFolder();
  await mkdir(path.join(folder, "result"));
  await expect(writeAtomically(path.join(folder, "result"), [])).rejects.toThrow(/it is a folder/);
  expect(await readdir(folder)).toEqual(["result"]);
});
