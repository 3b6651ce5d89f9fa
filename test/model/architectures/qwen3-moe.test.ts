import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("qwen3_moe");

test.each([
  { norm_topk_prob: false },
  { num_experts_per_tok: 1 },
  { use_sliding_window: true, sliding_window: 3 },
])("with %o it is another model", async (changes) => {
  expect(await distanceOf(causalVariant("qwen3_moe"), changes)).toBeGreaterThan(1e-2);
});

test.each([
  ["qwen3_moe, every second layer dense", ["gate_proj", "experts", "gate_proj"]],
  ["qwen3_moe, its first layer dense", ["gate_proj", "experts"]],
])("%s", (name, expected) => {
  const { blocks } = describeChanged(causalVariant(name), {});
  expect(blocks.map((linears) => linears[4].name.split(".")[4])).toEqual(expected);
});
