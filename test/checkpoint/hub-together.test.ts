import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchCheckpoint } from "../../src/checkpoint/hub.js";
import { commit, type HubFile, hashOf } from "./hub-server.js";
import { config, type Setting, setting, shard, single, text, weights } from "./hub-setting.js";

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
  expect(hub.network.map(({ url }) => url).sort()).toEqual(["/1.safetensors", "/2.safetensors"]);
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

const index = text(
  "model.safetensors.index.json",
  JSON.stringify({ weight_map: { a: "1.safetensors", b: "2.safetensors" } }),
);
const sharded: HubFile[] = [
  config,
  index,
  { path: "1.safetensors", content: shard("a"), lfs: true },
  { path: "2.safetensors", content: shard("b"), lfs: true },
];

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
    expect(await readFile(link)).toEqual(file.content);
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
