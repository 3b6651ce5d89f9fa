import { lstat, readdir, readFile, readlink, rm } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.js";
import { fetchCheckpoint, fetchDataset } from "../../src/checkpoint/hub.js";
import { temporaryFolder } from "./folder.js";
import { commit, type HubFile, hashOf, hubServer } from "./hub-server.js";
import { config, errorOf, setting, shard, single, text, weightBytes, weights } from "./hub-setting.js";

test("a checkpoint is downloaded into the layout of Python's cache and opens", async () => {
  const { environment, folder } = await setting(single);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(snapshot).toBe(path.join(folder, "snapshots", commit));
  expect(await readlink(path.join(snapshot, "model.safetensors"))).toBe(`../../blobs/${hashOf(weights)}`);
  expect((await readdir(path.join(folder, "blobs"))).sort()).toEqual(single.map(hashOf).sort());
  expect(await readFile(path.join(folder, "refs/main"), "utf8")).toBe(commit);
  const checkpoint = await openCheckpoint(snapshot);
  expect(checkpoint.tensors.get("w")?.bytes).toBe(weightBytes);
  await checkpoint.close();
});

test("only the files that a checkpoint needs are fetched", async () => {
  const others = ["pytorch_model.bin", "README.md", "consolidated.safetensors", "model.gguf"];
  const { environment } = await setting([
    ...single,
    ...others.map((name) => text(name, "x")),
    text("onnx/config.json", "{}"),
  ]);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect((await readdir(snapshot)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
});

test("the shards that an index names are fetched", async () => {
  const index = text(
    "model.safetensors.index.json",
    JSON.stringify({ weight_map: { a: "1.safetensors", b: "2.safetensors" } }),
  );
  const shards = ["a", "b"].map((tensor, i) => ({
    path: `${i + 1}.safetensors`,
    content: shard(tensor),
    lfs: true,
  }));
  const { environment } = await setting([config, index, ...shards, { ...weights, path: "3.safetensors" }]);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect((await readdir(snapshot)).sort()).toEqual([
    "1.safetensors",
    "2.safetensors",
    "config.json",
    index.path,
  ]);
  await (await openCheckpoint(snapshot)).close();
});

test("a shard that an index names and the repository lacks is an error", async () => {
  const index = text("model.safetensors.index.json", JSON.stringify({ weight_map: { a: "1.safetensors" } }));
  const { environment } = await setting([config, index]);
  await expect(fetchCheckpoint("org/name", { environment })).rejects.toThrow(
    "names the file 1.safetensors but does not hold it",
  );
});

test.each<[string, HubFile[], RegExp]>([
  ["no config.json", [weights], /org\/name has no config\.json/],
  ["pickles only", [config, text("pytorch_model.bin", "x")], /org\/name has its weights only as a pickle/],
  ["no weights", [config], /org\/name has neither model\.safetensors/],
])("a repository with %s is refused before anything is downloaded", async (_, files, message) => {
  const { environment, hub, folder } = await setting(files);
  await expect(fetchCheckpoint("org/name", { environment })).rejects.toThrow(message);
  expect(hub.hub.filter(({ url }) => url.includes("/resolve/"))).toEqual([]);
  await expect(lstat(folder)).rejects.toThrow(/ENOENT/);
});

test("a list of files in pages is read to its end", async () => {
  const { environment } = await setting(single, { pageLength: 1 });
  const snapshot = await fetchCheckpoint("org/name", { environment });
  expect(await readdir(snapshot)).toHaveLength(3);
});

test("a second call downloads nothing again", async () => {
  const { environment, hub } = await setting(single);
  await fetchCheckpoint("org/name", { environment });
  const requests = hub.network.length;
  await fetchCheckpoint("org/name", { environment });
  expect(hub.network.length).toBe(requests);
});

test("offline, what was downloaded before is found without a request", async () => {
  const { environment, hub } = await setting(single);
  const snapshot = await fetchCheckpoint("org/name", { environment });
  const requests = hub.hub.length;
  const offline = { ...environment, HF_HUB_OFFLINE: "1" };
  expect(await fetchCheckpoint("org/name", { environment: offline })).toBe(snapshot);
  expect(await fetchCheckpoint(`org/name@${commit}`, { environment: offline })).toBe(snapshot);
  expect(hub.hub.length).toBe(requests);
});

test("offline, what is not there is an error that says what", async () => {
  const { environment } = await setting(single);
  const offline = { ...environment, HF_HUB_OFFLINE: "true" };
  expect((await errorOf(fetchCheckpoint("org/name", { environment: offline }))).message).toMatch(
    /HF_HUB_OFFLINE is set, and revision main of the model org\/name is not in the cache/,
  );
  const snapshot = await fetchCheckpoint("org/name", { environment });
  await expect(fetchCheckpoint("org/name@other", { environment: offline })).rejects.toThrow(/revision other/);
  await rm(path.join(snapshot, "config.json"));
  await expect(fetchCheckpoint("org/name", { environment: offline })).rejects.toThrow(/has no config\.json/);
});

test("a revision with slashes is resolved and remembered", async () => {
  const { environment, folder } = await setting(single);
  await fetchCheckpoint("org/name@refs/pr/1", { environment });
  expect(await readFile(path.join(folder, "refs/refs/pr/1"), "utf8")).toBe(commit);
});

test("files of the list that lead out of the snapshot are not there", async () => {
  const evil = text("../../../evil.json", "{}");
  const { environment, folder } = await setting([...single, evil]);
  await fetchCheckpoint("org/name", { environment });
  await expect(lstat(path.join(folder, "snapshots", commit, evil.path))).rejects.toThrow(/ENOENT/);
});

test("chosen files of a data set are fetched, online and offline", async () => {
  const files = ["a/test.parquet", "a/train.parquet"].map((name) => text(name, name));
  const hub = await hubServer("datasets/org/texts", files);
  const environment = { HF_ENDPOINT: hub.endpoint, HF_HOME: await temporaryFolder() };
  const choose = (paths: readonly string[]) => paths.filter((name) => name.includes("test"));
  const fetched = await fetchDataset("org/texts", choose, { environment });
  const folder = path.join(environment.HF_HOME, "hub/datasets--org--texts/snapshots", commit);
  expect(fetched).toEqual([path.join(folder, "a/test.parquet")]);
  expect(await readFile(fetched[0], "utf8")).toBe("a/test.parquet");
  const offline = { ...environment, HF_HUB_OFFLINE: "1" };
  expect(await fetchDataset("org/texts", choose, { environment: offline })).toEqual(fetched);
  expect(await fetchDataset("org/texts", (paths) => paths, { environment: offline })).toEqual(fetched);
});
