import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Checkpoint, openCheckpoint } from "../../src/checkpoint/checkpoint.js";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

const single = "model.safetensors";
const index = "model.safetensors.index.json";

/** Writes a checkpoint: texts as they are, objects as JSON, lists of tensor names as shards of one byte each. */
async function checkpointOf(files: Record<string, string | object | readonly string[]>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    if (Array.isArray(content)) {
      await writeSafetensors(
        file,
        content.map((tensor) => ({ name: tensor, dtype: "U8", shape: [1], bytes: Buffer.from(tensor) })),
      );
    } else await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

async function opened(folder: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(folder);
  onTestFinished(() => checkpoint.close());
  return checkpoint;
}

const twoShards = {
  "config.json": { model_type: "llama" },
  [index]: {
    metadata: { total_size: 3 },
    weight_map: { a: "1.safetensors", b: "2.safetensors", c: "2.safetensors" },
  },
  "1.safetensors": ["a"],
  "2.safetensors": ["b", "c"],
};

test("the bundled model opens", async () => {
  const checkpoint = await opened("models/tiny");
  expect(checkpoint.directory).toBe(path.resolve("models/tiny"));
  expect(checkpoint.config.model_type).toBe("qwen3");
  expect(checkpoint.tensors.get("model.norm.weight")?.shape).toEqual([256]);
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json", single];
  expect(checkpoint.files).toEqual(names.map((name) => path.resolve("models/tiny", name)));
});

test("shards open through their index", async () => {
  const folder = await checkpointOf(twoShards);
  const checkpoint = await opened(folder);
  expect([...checkpoint.tensors.keys()].sort()).toEqual(["a", "b", "c"]);
  expect(await checkpoint.read("c")).toEqual(new Uint8Array(Buffer.from("c")));
  const names = ["config.json", index, "1.safetensors", "2.safetensors"];
  expect(checkpoint.files).toEqual(names.map((name) => path.join(folder, name)));
});

test("shards may be links out of the folder, as in the hub's cache", async () => {
  const blobs = await checkpointOf({ blob: ["a"] });
  const folder = await checkpointOf({ "config.json": {} });
  await symlink(path.join(blobs, "blob"), path.join(folder, single));
  expect((await opened(folder)).tensors.has("a")).toBe(true);
});

test.each<[string, Record<string, string | object>, RegExp]>([
  ["no config.json", { [single]: ["a"] }, /has no config\.json/],
  ["a config.json that does not parse", { "config.json": "{", [single]: ["a"] }, /config\.json is not JSON/],
  ["no weights", { "config.json": {} }, /has neither model\.safetensors nor model\.safetensors\.index\.json/],
  [
    "a pickle only",
    { "config.json": {}, "pytorch_model.bin": "" },
    /only as a pickle \(pytorch_model\.bin\)/,
  ],
  [
    "a .pth only",
    { "config.json": {}, "consolidated.00.pth": "" },
    /only as a pickle \(consolidated\.00\.pth\)/,
  ],
  ["an index without a map", { ...twoShards, [index]: {} }, /has no object weight_map/],
  ["a shard outside", indexed({ a: "../1.safetensors" }), /places tensor a in "\.\.\/1\.safetensors"/],
  ["a shard at an absolute path", indexed({ a: "/1.safetensors" }), /places tensor a in "\/1\.safetensors"/],
  ["a shard that is no safetensors file", indexed({ a: "config.json" }), /places tensor a in "config\.json"/],
  ["a shard that is no text", indexed({ a: 1 }), /places tensor a in 1/],
  [
    "a tensor the shard lacks",
    indexed({ a: "1.safetensors", d: "1.safetensors" }),
    /1\.safetensors lacks tensor d, which/,
  ],
  [
    "a tensor placed elsewhere",
    indexed({ a: "2.safetensors", b: "2.safetensors", c: "1.safetensors" }),
    /tensor a is in .*1\.safetensors, but .* places it in 2\.safetensors/,
  ],
  [
    "a tensor the index does not name",
    indexed({ a: "1.safetensors", b: "2.safetensors" }),
    /2\.safetensors holds tensor c, which/,
  ],
  [
    "a quantization that is no object",
    { "config.json": { quantization_config: "gptq" }, [single]: ["a"] },
    /quantization_config in .* is "gptq"/,
  ],
  ["a block of FP8 scales of no size", fp8([0, 128]), /weight_block_size \[0,128\]/],
])("a checkpoint with %s is refused", async (_, files, message) => {
  const folder = await checkpointOf(files);
  const error = await openCheckpoint(folder).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toMatch(message);
  expect(error.message).toContain(folder);
});

test("missing shards are named", async () => {
  const folder = await checkpointOf(twoShards);
  await rm(path.join(folder, "2.safetensors"));
  await expect(openCheckpoint(folder)).rejects.toThrow(`${folder} lacks 1 of 2 shards: 2.safetensors`);
});

test("the way to convert a pickle is told", async () => {
  const folder = await checkpointOf({ "config.json": {}, "pytorch_model.bin": "" });
  await expect(openCheckpoint(folder)).rejects.toHaveProperty(
    "fix",
    expect.stringMatching(/safe_serialization=True/),
  );
});

test("a folder that does not exist is refused, with the hint at hub ids", async () => {
  const error = await openCheckpoint("/nonexistent/model").catch((thrown) => thrown);
  expect(error.message).toBe("there is no folder /nonexistent/model");
  expect(error.fix).toMatch(/org\/name/);
});

test("an FP8 checkpoint opens and knows its block of scales", async () => {
  expect((await opened(await checkpointOf(fp8([64, 128])))).scaleBlock).toEqual([64, 128]);
  expect((await opened(await checkpointOf(fp8(undefined)))).scaleBlock).toBeUndefined();
});

test("what was done to quantized weights is handed on; float ones, FP8 among them, have nothing of the kind", async () => {
  const quantization = { quant_method: "gptq", bits: 4 };
  const quantized = { "config.json": { quantization_config: quantization }, [single]: ["a"] };
  expect((await opened(await checkpointOf(quantized))).quantization).toEqual(quantization);
  expect((await opened(await checkpointOf(fp8([64, 128])))).quantization).toBeNull();
  expect((await opened(await checkpointOf(twoShards))).quantization).toBeNull();
});

function indexed(map: object): Record<string, string | object> {
  return { ...twoShards, [index]: { weight_map: map } };
}

function fp8(block: readonly number[] | undefined): Record<string, string | object> {
  return {
    "config.json": { quantization_config: { quant_method: "fp8", weight_block_size: block } },
    [single]: ["a"],
  };
}
