import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { fileError, isMissing } from "../../src/checkpoint/file-error.js";
import { LuthierError } from "../../src/error.js";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: something`), { code, syscall: "write", errno: -1 });
}

test("a full disk is named with the file and the way out", () => {
  const error = fileError("write", "/data/pack.bin", systemError("ENOSPC")) as LuthierError;
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toBe("cannot write /data/pack.bin: no space left on the device");
  expect(error.fix).toMatch(/Free some space/);
});

test("a disk that cannot read is named as such", () => {
  expect(fileError("read", "f", systemError("EIO"))).toMatchObject({
    message: "cannot read f: the disk failed",
    fix: expect.stringContaining("dmesg"),
  });
});

test("an unusual system error keeps the system's own words", () => {
  expect((fileError("read", "f", systemError("EBUSY")) as Error).message).toBe(
    "cannot read f: EBUSY: something",
  );
});

test("errors that are not the file system's pass unchanged", () => {
  const own = new LuthierError("message", "fix");
  const bug = new TypeError("x is undefined");
  expect(fileError("read", "f", own)).toBe(own);
  expect(fileError("read", "f", bug)).toBe(bug);
});

test("a real missing file is recognized", async () => {
  const error = await readFile("/nonexistent/file").catch((thrown) => thrown);
  expect(isMissing(error)).toBe(true);
  expect(isMissing(systemError("EACCES"))).toBe(false);
});
