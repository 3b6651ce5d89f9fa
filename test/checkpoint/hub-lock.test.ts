import { spawn } from "node:child_process";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { alone } from "../../src/checkpoint/hub-lock.js";
import { temporaryFolder } from "./folder.js";

test("of many who want it at the same time one works at a time, and nothing is left behind", async () => {
  const folder = await temporaryFolder();
  let working = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++working);
    await sleep(5);
    working--;
  };
  await Promise.all(Array.from({ length: 8 }, () => alone(path.join(folder, "lock"), work)));
  expect(most).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

test("a failure gives the lock back", async () => {
  const lock = path.join(await temporaryFolder(), "lock");
  await expect(alone(lock, () => Promise.reject(new RangeError("no")))).rejects.toThrow("no");
  expect(await alone(lock, async () => "done")).toBe("done");
});

test("the lock of a process that was killed is taken over at once", async () => {
  const lock = path.join(await temporaryFolder(), "lock");
  const child = spawn(process.execPath, ["-e", ""]);
  await new Promise((resolve) => child.on("exit", resolve));
  await writeFile(lock, JSON.stringify({ host: hostname(), pid: child.pid, processStart: null, mark: "x" }));
  const start = performance.now();
  expect(await alone(lock, async () => "done")).toBe("done");
  expect(performance.now() - start).toBeLessThan(10_000);
});

test.each([JSON.stringify({ host: "elsewhere", pid: 1, processStart: null, mark: "x" }), "", "torn {"])(
  "a lock that says %j is waited for as long as it is renewed, and then taken over",
  async (holder) => {
    const lock = path.join(await temporaryFolder(), "lock");
    await writeFile(lock, holder);
    let renewals = 0;
    const renewal = setInterval(() => {
      if (++renewals > 4) clearInterval(renewal);
      else void utimes(lock, renewals, renewals); // a clock that is decades behind
    }, 250);
    await alone(lock, async () => {}, { silence: 1000 });
    expect(renewals).toBeGreaterThan(4);
  },
);

test("who waits can be told to stop waiting; the lock stays", async () => {
  const folder = await temporaryFolder();
  const lock = path.join(folder, "lock");
  await writeFile(lock, JSON.stringify({ host: hostname(), pid: process.pid, mark: "x" }));
  const stop = new AbortController();
  const waiting = alone(lock, async () => "done", { signal: stop.signal });
  setTimeout(() => stop.abort(new RangeError("no more")), 50);
  await expect(waiting).rejects.toThrow("no more");
  expect(await readdir(folder)).toEqual(["lock"]);
});

test("work that lost its lock is told so, and does not give back another's", async () => {
  const folder = await temporaryFolder();
  const lock = path.join(folder, "lock");
  await alone(lock, async (isStillAlone) => {
    expect(await isStillAlone()).toBe(true);
    await writeFile(lock, "another's");
    expect(await isStillAlone()).toBe(false);
  });
  expect(await readdir(folder)).toEqual(["lock"]);
});
