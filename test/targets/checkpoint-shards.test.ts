import { expect, test } from "vitest";
import { shardIndex, splitIntoShards } from "../../src/targets/checkpoint-shards.js";

const tensor = (name: string, bytes: number) =>
  ({ name, dtype: "U8", shape: [bytes], bytes: new Uint8Array(bytes) }) as const;

test("units fill a shard up to the limit, stay whole and in order", () => {
  const units = [
    [tensor("a", 3), tensor("b", 3)],
    [tensor("c", 4)],
    [tensor("d", 1), tensor("e", 2)],
    [tensor("f", 12)],
    [tensor("g", 0)],
  ];
  const names = splitIntoShards(units, 10).map((shard) => shard.map(({ name }) => name).join(""));
  expect(names).toEqual(["abc", "de", "f", "g"]);
});

test("a model without tensors is one shard", () => {
  expect(splitIntoShards([], 10)).toEqual([[]]);
});

test("the index has the file of every tensor and the bytes of all", () => {
  const shards = [
    { file: "model-00001-of-00002.safetensors", tensors: [tensor("a", 3)] },
    { file: "model-00002-of-00002.safetensors", tensors: [tensor("b", 4)] },
  ];
  expect(shardIndex(shards)).toEqual({
    metadata: { total_size: 7 },
    weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
  });
});
