import { lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchCheckpoint } from "../../src/checkpoint/hub.js";
import type { DownloadProgress } from "../../src/checkpoint/hub-download.js";
import { hashOf } from "./hub-server.js";
import { errorOf, setting, single, weightBytes, weights } from "./hub-setting.js";

test("progress tells bytes done and in all, file by file, to the end", async () => {
  const { environment } = await setting(single);
  const seen: DownloadProgress[] = [];
  await fetchCheckpoint("org/name", { environment, onProgress: (progress) => seen.push(progress) });
  const ofWeights = seen.filter(({ file }) => file === weights.path);
  expect(ofWeights[0].doneBytes).toBe(0);
  expect(ofWeights.at(-1)).toEqual({
    file: weights.path,
    doneBytes: weights.content.length,
    totalBytes: weights.content.length,
  });
  expect(ofWeights.every(({ doneBytes }, i) => i === 0 || doneBytes > ofWeights[i - 1].doneBytes)).toBe(true);
});

test("a leftover of an interrupted download is continued by a range", async () => {
  const { environment, hub, folder } = await setting(single);
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  await writeFile(
    path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`),
    weights.content.subarray(0, 1000),
  );
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(hub.network.map(({ headers }) => headers.range)).toEqual(["bytes=1000-"]);
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
});

test("a server without ranges sends the whole file again", async () => {
  const { environment, folder } = await setting(single, { ignoreRanges: true });
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  await writeFile(
    path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`),
    weights.content.subarray(0, 1000),
  );
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
});

test("a connection that breaks again and again is taken up as long as it gets further", async () => {
  const { environment, hub } = await setting(single, { breakAfterBytes: 70_000 });
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
  expect(hub.network.length).toBe(Math.ceil(weights.content.length / 70_000));
});

test("a connection that breaks before it gets further, again after all waits, keeps what is there, and the next call goes on", async () => {
  const { environment, hub, folder, wait, waits } = await setting(single, {
    breakAfterBytes: 100_000,
    ignoreRanges: true,
  });
  const error = await errorOf(fetchCheckpoint("org/name", { environment, wait }));
  expect(error.message).toMatch(/the connection broke after \d+ of \d+ bytes of model\.safetensors/);
  expect(waits).toEqual([1000, 2000, 4000, 8000]);
  const { size } = await lstat(path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`));
  expect(size).toBeGreaterThan(0);
  await expect(lstat(path.join(folder, "refs/main"))).rejects.toThrow(/ENOENT/);
  hub.behaviour.breakAfterBytes = undefined;
  hub.behaviour.ignoreRanges = false;
  await fetchCheckpoint("org/name", { environment });
  expect(hub.network.at(-1)?.headers.range).toBe(`bytes=${size}-`);
});

test.each<[string, (content: Buffer) => Buffer, RegExp]>([
  [
    "a changed byte",
    (content) => content.map((byte, i) => (i === 500 ? byte ^ 1 : byte)) as Buffer,
    /another content than listed/,
  ],
  ["too many bytes", (content) => Buffer.concat([content, Buffer.of(0)]), /more than the \d+ bytes listed/],
  ["too few bytes", (content) => content.subarray(1), /the connection broke after/],
])("%s never becomes a blob", async (what, corrupt, message) => {
  const change = (content: Buffer) => (content.length > 1000 ? Buffer.from(corrupt(content)) : content);
  const { environment, folder, wait } = await setting(single, { corrupt: change });
  expect((await errorOf(fetchCheckpoint("org/name", { environment, wait }))).message).toMatch(message);
  const blobs = await readdir(path.join(folder, "blobs"));
  expect(blobs).not.toContain(hashOf(weights));
  // What is sound so far is kept; what is known to be wrong is not.
  expect(blobs.includes(`${hashOf(weights)}.luthier.incomplete`)).toBe(what === "too few bytes");
});

test("a small file is checked against its git hash", async () => {
  const { environment } = await setting(single, { corrupt: () => Buffer.from('{"model_type":"gemma"}') });
  await expect(fetchCheckpoint("org/name", { environment })).rejects.toThrow(
    /config\.json .* another content than listed \(git /,
  );
});

test("a leftover longer than the file is not trusted", async () => {
  const { environment, folder } = await setting(single);
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  await writeFile(
    path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`),
    Buffer.alloc(weightBytes * 2),
  );
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
});

test("a leftover of other content is given up once for all, and the file fetched from its beginning", async () => {
  const { environment, hub, folder } = await setting(single);
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  await writeFile(path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`), Buffer.alloc(1000, 7));
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
  expect(hub.network.map(({ headers }) => headers.range)).toEqual(["bytes=1000-", undefined]);
});

test("a leftover that is whole but was not put in place is checked and asks the network for nothing", async () => {
  const { environment, hub, folder } = await setting(single);
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  await writeFile(path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`), weights.content);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
  expect(hub.network).toEqual([]);
});

test("a server that falls silent in the middle is left, and asked for the rest", async () => {
  const { environment, hub } = await setting(single, { stalls: { afterBytes: 50_000, times: 2 } });
  const patience = { ...environment, HF_HUB_DOWNLOAD_TIMEOUT: "0.5" };
  const snapshot = await fetchCheckpoint("org/name", { environment: patience });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
  expect(hub.network.map(({ headers }) => headers.range)).toEqual([
    undefined,
    "bytes=50000-",
    "bytes=100000-",
  ]);
});

test("a server that is silent each time is an error that keeps what came", async () => {
  const { environment, folder, wait } = await setting(single, { stalls: { afterBytes: 0, times: 99 } });
  const patience = { ...environment, HF_HUB_DOWNLOAD_TIMEOUT: "0.3" };
  const error = await errorOf(fetchCheckpoint("org/name", { environment: patience, wait }));
  expect(error.message).toBe(
    `the connection broke after 0 of ${weights.content.length} bytes of model.safetensors`,
  );
  expect((error.cause as Error).message).toBe("nothing came for 0.3 seconds");
  expect(await readdir(path.join(folder, "blobs"))).not.toContain(hashOf(weights));
});

test("a server that says it sends more than it does is asked for no more than was listed", async () => {
  const { environment } = await setting(single, { claimedBytesMore: 1000 });
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
});

test("an answer that begins elsewhere than asked for is not appended: the file is asked for whole", async () => {
  const { environment, hub, folder, wait } = await setting(single, { rangeBegin: 0 });
  await mkdir(path.join(folder, "blobs"), { recursive: true });
  const partial = path.join(folder, "blobs", `${hashOf(weights)}.luthier.incomplete`);
  await writeFile(partial, weights.content.subarray(0, 1000));
  const snapshot = await fetchCheckpoint("org/name", { environment, wait });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
  expect(hub.network.map(({ headers }) => headers.range)).toEqual(["bytes=1000-", undefined]);
});

test("a hub whose redirect names another sha256 than its list is refused before a byte is asked for", async () => {
  const { environment, hub } = await setting(single, { linkedSha256: "0".repeat(64) });
  const error = await errorOf(fetchCheckpoint("org/name", { environment }));
  expect(error.message).toContain(`lists a file of the model org/name with sha256 ${hashOf(weights)}`);
  expect(hub.network).toEqual([]);
});
