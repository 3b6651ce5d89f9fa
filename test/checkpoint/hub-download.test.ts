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
    path.join(folder, "blobs", `${hashOf(weights)}.incomplete`),
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
    path.join(folder, "blobs", `${hashOf(weights)}.incomplete`),
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

test("a connection that breaks at once keeps what is there, and the next call goes on", async () => {
  const { environment, hub, folder } = await setting(single, {
    breakAfterBytes: 100_000,
    ignoreRanges: true,
  });
  const error = await errorOf(fetchCheckpoint("org/name", { environment }));
  expect(error.message).toMatch(/the connection broke after \d+ of \d+ bytes of model\.safetensors/);
  const { size } = await lstat(path.join(folder, "blobs", `${hashOf(weights)}.incomplete`));
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
])("%s never becomes a blob", async (_, corrupt, message) => {
  const change = (content: Buffer) => (content.length > 1000 ? Buffer.from(corrupt(content)) : content);
  const { environment, folder } = await setting(single, { corrupt: change });
  expect((await errorOf(fetchCheckpoint("org/name", { environment }))).message).toMatch(message);
  expect(await readdir(path.join(folder, "blobs"))).not.toContain(hashOf(weights));
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
  await writeFile(path.join(folder, "blobs", `${hashOf(weights)}.incomplete`), Buffer.alloc(weightBytes * 2));
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readFile(path.join(snapshot, weights.path))).toEqual(weights.content);
});
