import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchCheckpoint } from "../../src/checkpoint/hub.js";
import type { DownloadProgress } from "../../src/checkpoint/hub-download.js";
import { commit, type HubFile, hashOf } from "./hub-server.js";
import { config, errorOf, type Setting, setting, shard, single, text, weights } from "./hub-setting.js";

/* Several at once fill one cache: calls in a process, and processes of the built package. */

test("calls at the same time download each file once", async () => {
  const { hub, environment, folder } = await setting(single);
  const snapshots = await Promise.all(
    Array.from({ length: 6 }, () => fetchCheckpoint("org/name", { environment })),
  );
  expect(new Set(snapshots)).toEqual(new Set([path.join(folder, "snapshots", commit)]));
  expect(hub.network).toHaveLength(1);
  await expectWhole(folder, single);
});

test("two processes at the same time download each shard once", async () => {
  const { hub, environment, folder } = await setting(sharded);
  const ends = await Promise.all([started(environment), started(environment)].map(({ end }) => end));
  expect(ends).toEqual([0, 0]);
  expect(hub.network.map(({ url }) => url).sort()).toEqual(shards.map(({ path }) => `/${path}`));
  await expectWhole(folder, sharded);
});

test("shards come four at a time: of a network that takes its time, eight take two of its times", async () => {
  const { hub, environment, folder } = await setting(sharded, { networkDelayMs: 1000 });
  const begin = performance.now();
  await fetchCheckpoint("org/name", { environment });
  const seconds = (performance.now() - begin) / 1000;
  expect(seconds).toBeGreaterThan(2);
  expect(seconds).toBeLessThan(4);
  expect(hub.mostTogether()).toBe(4);
  await expectWhole(folder, sharded);
});

test("progress of shards is one: bytes of all, and the end once", async () => {
  const { environment } = await setting(sharded);
  const seen: DownloadProgress[] = [];
  await fetchCheckpoint("org/name", { environment, onProgress: (progress) => seen.push(progress) });
  const ofShards = seen.slice(seen.findIndex(({ file }) => file === "8 files"));
  const totalBytes = shards.reduce((sum, { content }) => sum + content.length, 0);
  expect(new Set(ofShards.map(({ file, totalBytes }) => `${file} ${totalBytes}`))).toEqual(
    new Set([`8 files ${totalBytes}`]),
  );
  const done = ofShards.map(({ doneBytes }) => doneBytes);
  expect(done[0]).toBe(0);
  expect(done.every((bytes, at) => at === 0 || bytes > done[at - 1])).toBe(true);
  expect(done.at(-1)).toBe(totalBytes);
});

test("a shard that fails stops the others, whatever they wait for, and is the error; what came is kept", async () => {
  const { hub, environment, folder } = await setting(sharded, {
    networkRefuses: {
      "2.safetensors": { status: 403, afterMs: 700 },
      "4.safetensors": { status: 503, headers: { "retry-after": "120" } },
    },
    stalls: { afterBytes: 200_000, times: 1 }, // the first or the third
  });
  const begin = performance.now();
  const error = await errorOf(fetchCheckpoint("org/name", { environment }));
  expect(performance.now() - begin).toBeLessThan(10_000);
  expect(error.message).toMatch(/403/);
  expect(hub.network.length).toBeLessThan(9);
  const kept = await readdir(path.join(folder, "blobs"));
  const partial = kept.filter((name) => name.endsWith(".incomplete"));
  const sizes = await Promise.all(
    partial.map(async (name) => (await stat(path.join(folder, "blobs", name))).size),
  );
  expect(sizes.sort((a, b) => b - a)[0]).toBe(200_000);
  const whole = shards.filter((file) => kept.includes(hashOf(file)));
  expect(whole.length).toBeGreaterThanOrEqual(1);
  expect(await readdir(path.join(folder, "../.locks", path.basename(folder)))).toEqual([]);

  hub.behaviour.networkRefuses = {};
  hub.network.length = 0;
  await fetchCheckpoint("org/name", { environment });
  expect(hub.network).toHaveLength(8 - whole.length);
  expect(hub.network.filter(({ headers }) => headers.range).map(({ headers }) => headers.range)).toEqual([
    "bytes=200000-",
  ]);
  await expectWhole(folder, sharded);
});

test("a process that is killed in the middle is followed by the one that waits, where it stopped", async () => {
  const { hub, environment, folder } = await setting(single, { stalls: { afterBytes: 200_000, times: 1 } });
  const first = started(environment);
  await until(() => hub.network.length === 1);
  const second = started(environment);
  await until(async () => (await sizeOfPartial(folder)) === 200_000);
  first.process.kill("SIGKILL");
  expect(await second.end).toBe(0);
  expect(hub.network.map(({ headers }) => headers.range)).toEqual([undefined, "bytes=200000-"]);
  await expectWhole(folder, single);
});

test("a cache that is whole is not written to: it may be read-only", async () => {
  const { environment, folder } = await setting(single);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  const cache = path.dirname(folder);
  await rm(path.join(cache, ".locks"), { recursive: true });
  const before = await everythingIn(cache);
  expect(await fetchCheckpoint("org/name", { environment })).toBe(snapshot);
  expect(await everythingIn(cache)).toEqual(before);
});

const shards = Array.from(
  { length: 8 },
  (_, at): HubFile => ({ path: `${at + 1}.safetensors`, content: shard(`t${at}`), lfs: true }),
);
const index = text(
  "model.safetensors.index.json",
  JSON.stringify({ weight_map: Object.fromEntries(shards.map(({ path }, at) => [`t${at}`, path])) }),
);
const sharded: HubFile[] = [config, index, ...shards];

interface Started {
  readonly process: ChildProcess;
  readonly end: Promise<number | null>;
}

/** A process that fetches the repository with the built package. */
function started(environment: Setting["environment"]): Started {
  const module = path.join(import.meta.dirname, "../../dist/src/checkpoint/hub.js");
  const script = `const { fetchCheckpoint } = await import(${JSON.stringify(module)}); await fetchCheckpoint("org/name");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...environment, HF_HUB_OFFLINE: "" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return { process: child, end: new Promise((resolve) => child.on("exit", resolve)) };
}

async function expectWhole(folder: string, files: readonly HubFile[]): Promise<void> {
  expect((await readdir(path.join(folder, "blobs"))).sort()).toEqual(files.map(hashOf).sort());
  for (const file of files) {
    const link = path.join(folder, "snapshots", commit, file.path);
    expect(await readlink(link)).toBe(`../../blobs/${hashOf(file)}`);
    expect(file.content.equals(await readFile(link))).toBe(true);
  }
  const locks = path.join(folder, "../.locks", path.basename(folder));
  expect(await readdir(locks)).toEqual([]);
}

async function sizeOfPartial(folder: string): Promise<number> {
  const file = path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`);
  return (await readFile(file).catch(() => Buffer.alloc(0))).length;
}

async function everythingIn(folder: string): Promise<unknown> {
  const names = (await readdir(folder, { recursive: true })).sort();
  return Promise.all(names.map(async (name) => [name, (await stat(path.join(folder, name))).mtimeMs]));
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}
