import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { lockFile, withLock } from "../../src/pipeline/run-lock.js";
import { temporaryFolder } from "./run.js";

const nothing = async () => {};

/** A lock as another process would have left it. */
function leaveLock(folder: string, changes: object = {}, name = lockFile): void {
  const holder = {
    ...{ host: hostname(), pid: process.pid, processStart: null, since: "2026-11-21T10:00:00.000Z" },
    ...{ command: "luthier quantize tiny", ...changes },
  };
  writeFileSync(path.join(folder, name), JSON.stringify(holder));
}

/** The number of a process that has ended. */
function endedProcess(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  return new Promise((resolve) => child.once("exit", () => resolve(child.pid as number)));
}

test("the lock is there while the work is done, names this process, and is gone afterwards", async () => {
  const folder = temporaryFolder();
  const seen = await withLock(folder, async () =>
    JSON.parse(readFileSync(path.join(folder, lockFile), "utf8")),
  );
  expect(seen).toMatchObject({ pid: process.pid, host: hostname() });
  expect(readdirSync(folder)).toEqual([]);
});

test("it is gone after work that fails too", async () => {
  const folder = temporaryFolder();
  await expect(withLock(folder, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(readdirSync(folder)).toEqual([]);
});

test("a lock that is larger than any is damaged, and taken over", async () => {
  const folder = temporaryFolder();
  leaveLock(folder);
  truncateSync(path.join(folder, lockFile), 1e9); // sparse: takes no space
  expect(await withLock(folder, async () => "done")).toBe("done");
});

test("a second process is refused, the first named", async () => {
  const folder = temporaryFolder();
  leaveLock(folder);
  await expect(withLock(folder, nothing)).rejects.toThrow(
    `is being written by process ${process.pid} since 2026-11-21T10:00:00.000Z (luthier quantize tiny)`,
  );
  expect(existsSync(path.join(folder, lockFile))).toBe(true);
});

test("two pieces of work in one process exclude each other, work within work does not", async () => {
  const folder = temporaryFolder();
  await withLock(folder, async () => {
    expect(await withLock(folder, async () => "within")).toBe("within");
    expect(existsSync(path.join(folder, lockFile))).toBe(true);
  });
  let [begin, end] = [() => {}, () => {}];
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const first = withLock(folder, () => {
    begin();
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  await begun;
  await expect(withLock(folder, nothing)).rejects.toThrow("is being written");
  end();
  await first;
});

test("the lock of a process that has ended is taken over", async () => {
  const folder = temporaryFolder();
  leaveLock(folder, { pid: await endedProcess() });
  expect(await withLock(folder, async () => "done")).toBe("done");
});

test("so is that of an earlier process whose number another has now", async () => {
  const folder = temporaryFolder();
  leaveLock(folder, { processStart: "an-earlier-boot 1234" });
  expect(await withLock(folder, async () => "done")).toBe("done");
});

test.each(["", "{", '{"pid":1}', "null"])(
  "a damaged lock (%j), as a power cut leaves it, is taken over",
  async (text) => {
    const folder = temporaryFolder();
    writeFileSync(path.join(folder, lockFile), text);
    expect(await withLock(folder, async () => "done")).toBe("done");
  },
);

test("of a process on another machine nobody can tell whether it lives: it is refused, with the file to delete", async () => {
  const folder = temporaryFolder();
  leaveLock(folder, { host: "node17", pid: await endedProcess() });
  const error = await withLock(folder, nothing).catch((thrown) => thrown);
  expect(error.message).toContain("on node17");
  expect(error.fix).toContain(path.join(folder, lockFile));
});

test("of many that find a stale lock at about the same time, one does the work at a time", async () => {
  const pid = await endedProcess();
  for (let round = 0; round < 20; round++) {
    const folder = temporaryFolder();
    leaveLock(folder, { pid });
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    const late = async (_: unknown, at: number) => {
      await sleep((7 * at) % 11);
      return withLock(folder, work);
    };
    const results = await Promise.allSettled(Array.from({ length: 40 }, late));
    expect(most).toBe(1);
    expect(results.some(({ status }) => status === "fulfilled")).toBe(true);
    const refusals = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    for (const { message } of refusals) expect(message).toContain("is being written by process");
  }
});

describe("parts", () => {
  const part = { index: 2, count: 4 };

  test("parts of one count work side by side, each under a lock of its own", async () => {
    const folder = temporaryFolder();
    leaveLock(folder, {}, `${lockFile}.1-of-4`);
    const names = await withLock(folder, async () => readdirSync(folder), part);
    expect(names.sort()).toEqual([`${lockFile}.1-of-4`, `${lockFile}.2-of-4`]);
    expect(readdirSync(folder)).toEqual([`${lockFile}.1-of-4`]);
  });

  test.each([
    ["the same part", `${lockFile}.2-of-4`, part],
    ["a part of another count", `${lockFile}.1-of-8`, part],
    ["a whole process", lockFile, part],
    ["any part, for a whole process", `${lockFile}.3-of-4`, null],
  ])("a part is refused beside %s, which keeps its lock", async (_, other, own) => {
    const folder = temporaryFolder();
    leaveLock(folder, {}, other);
    await expect(withLock(folder, nothing, own)).rejects.toThrow(/is being written by process/);
    expect(readdirSync(folder)).toEqual([other]);
  });

  test("locks of parts that are gone are taken away", async () => {
    const folder = temporaryFolder();
    leaveLock(folder, { pid: await endedProcess() }, `${lockFile}.1-of-8`);
    leaveLock(folder, { pid: await endedProcess() }, `${lockFile}.2-of-4`);
    expect(await withLock(folder, async () => readdirSync(folder), part)).toEqual([`${lockFile}.2-of-4`]);
  });

  test("whoever comes together, a whole process never works beside a part, nor a part beside itself", async () => {
    const folder = temporaryFolder();
    const inside = new Map<string, number>();
    const now = (kind: string) => inside.get(kind) ?? 0;
    const work = (kind: string) => async () => {
      inside.set(kind, now(kind) + 1);
      expect(now("whole") * (now("1") + now("2") + 1)).toBeLessThanOrEqual(1);
      expect(Math.max(now("1"), now("2"))).toBeLessThanOrEqual(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside.set(kind, now(kind) - 1);
    };
    const attempts = Array.from({ length: 60 }, (_, at) =>
      at % 3 === 0
        ? withLock(folder, work("whole"))
        : withLock(folder, work(String(at % 3)), { index: at % 3, count: 2 }),
    );
    const failed = (await Promise.allSettled(attempts)).flatMap((result) =>
      result.status === "rejected" ? result.reason : [],
    );
    for (const error of failed) expect(error.message).toContain("is being written by process");
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("a process that ends by itself within its work leaves no lock", async () => {
  const folder = temporaryFolder();
  const lock = path.join(import.meta.dirname, "../../dist/src/pipeline/run-lock.js");
  const script = `import { withLock } from ${JSON.stringify(lock)};
    await withLock(${JSON.stringify(folder)}, async () => { console.log("in"); process.exit(130); });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect({ code, out }).toEqual({ code: 130, out: "in\n" });
  expect(readdirSync(folder)).toEqual([]);
});
