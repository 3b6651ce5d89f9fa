import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { diskPlace, readMachine } from "../../src/pipeline/machine.js";
import { temporaryFolder } from "./run.js";

/** A compiler of that name and those words. */
function madeUpCompiler(body: string): string {
  const file = path.join(temporaryFolder(), "cxx");
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

test("processor, memory and versions are those that the system's own tools tell", async () => {
  const machine = await readMachine(process.env);
  const ask = (command: string) => execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim();
  expect(machine.npm).toBe(ask("npm --version 2>/dev/null"));
  expect(machine.openFiles).toBe(Number(ask("ulimit -n")));
  expect(machine.usableCores).toBeLessThanOrEqual(machine.cores);
  expect(machine.freeMemoryBytes).toBeGreaterThan(0);
  expect(machine.freeMemoryBytes).toBeLessThanOrEqual(machine.memoryBytes);
  if (process.platform !== "linux") return;
  const total = /MemTotal:\s+(\d+) kB/.exec(readFileSync("/proc/meminfo", "utf8"))![1];
  expect(machine.memoryBytes).toBe(Number(total) * 1024);
  expect(machine.cores).toBe(Number(ask("grep -c ^processor /proc/cpuinfo")));
  if (process.arch === "x64") expect(machine.instructionSets).toContain("avx");
});

test("the compiler is the one that CXX names, and C++20 is tried", async () => {
  const old = madeUpCompiler('[ "$1" = --version ] && echo "made-up 1.0" && exit 0\nexit 1');
  expect((await readMachine({ ...process.env, CXX: old })).compiler).toEqual({
    command: old,
    version: "made-up 1.0",
    hasCpp20: false,
  });
  const none = await readMachine({ ...process.env, CXX: "/nowhere/c++" });
  expect(none.compiler).toBe(null);
});

test("the disk of a folder that is not there yet is that of the one that will hold it", async () => {
  const folder = temporaryFolder();
  const there = await diskPlace(folder);
  const notYet = await diskPlace(path.join(folder, "a/b/c"));
  expect(notYet).toMatchObject({ folder: path.join(folder, "a/b/c"), isWritable: true });
  expect(Math.abs(notYet.freeBytes - there.freeBytes)).toBeLessThan(2 ** 30); // others write meanwhile
  const blocks = execFileSync("df", ["-Pk", folder], { encoding: "utf8" }).trim().split("\n")[1].split(/\s+/);
  expect(Math.abs(there.freeBytes - Number(blocks[3]) * 1024)).toBeLessThan(2 ** 30);
});
