import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { lockFile } from "../../src/pipeline/run-lock.js";
import { bundledModel, hashesOf, temporaryFolder } from "../pipeline/run.js";
import { luthier, start } from "./luthier.js";

const quantize = (out: string) => [
  "quantize",
  bundledModel,
  "--recipe",
  "rtn-int4-g128",
  "--out",
  out,
  "--quiet",
];

/** Starts a quantizing and waits until it writes. */
async function writing(out: string) {
  const begun = start([...quantize(out), "--threads", "1"]);
  const lock = path.join(out, lockFile);
  while (!existsSync(lock) && begun.child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 1));
  begun.child.kill("SIGSTOP"); // it stays alive and does not end before the second has looked
  return begun;
}

test("a second process on one run is refused with the first one's number; the first ends well", async () => {
  const out = path.join(temporaryFolder(), "run");
  const { child, finished } = await writing(out);
  const second = await luthier(...quantize(out));
  expect(second.code).toBe(2);
  expect(second.err).toContain(`is being written by process ${child.pid} since`);
  child.kill("SIGCONT");
  expect(await finished).toMatchObject({ code: 0 });
  expect(existsSync(path.join(out, lockFile))).toBe(false);
});

test("the lock of a process that was killed is taken over, and the run goes on to the same bytes", async () => {
  const [out, whole] = ["killed", "whole"].map((name) => path.join(temporaryFolder(), name));
  const { child, finished } = await writing(out);
  child.kill("SIGKILL");
  await finished;
  expect(JSON.parse(readFileSync(path.join(out, lockFile), "utf8")).pid).toBe(child.pid);
  expect(await luthier(...quantize(out))).toMatchObject({ code: 0 });
  expect(await luthier(...quantize(whole))).toMatchObject({ code: 0 });
  expect(hashesOf(out)).toEqual(hashesOf(whole));
});

describe("while another process writes there", () => {
  const text = path.join(import.meta.dirname, "../../calibration/the-miller-of-ashcombe.txt");

  test.each([
    [
      "answers",
      (folder: string) => {
        const data = path.join(folder, "..", "sst2.tsv");
        writeFileSync(data, "sentence\tlabel\na fine film\t1\na dull film\t0\n");
        return ["eval", bundledModel, "--tasks", "glue:sst2", "--data", data, "--keep", folder];
      },
    ],
    [
      "a search",
      (folder: string) => [
        "search",
        bundledModel,
        "--budget",
        "3",
        "--text",
        text,
        "--samples",
        "4",
        "--length",
        "32",
        "--out",
        folder,
      ],
    ],
    ["a pack", (folder: string) => ["pack", folder, "--target", "lut-gemm"]],
  ])("%s is refused with its number", async (what, argsOf) => {
    const folder = path.join(temporaryFolder(), "there");
    if (what === "a pack") expect(await luthier(...quantize(folder))).toMatchObject({ code: 0 });
    mkdirSync(folder, { recursive: true });
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      const holder = {
        host: hostname(),
        pid: other.pid,
        processStart: null,
        since: "2026-11-21T10:00:00.000Z",
      };
      writeFileSync(path.join(folder, lockFile), JSON.stringify({ ...holder, command: "luthier" }));
      const refused = await luthier(...argsOf(folder));
      expect(refused.err).toContain(`is being written by process ${other.pid}`);
      expect(refused.code).toBe(2);
    } finally {
      other.kill();
    }
  });
});
