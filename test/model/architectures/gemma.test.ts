import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("gemma");
describeFamily("gemma2");
describeFamily("gemma3_text");

test.each([
  ["gemma", { hidden_act: "relu" }],
  ["gemma2", { attn_logit_softcapping: null }],
  ["gemma2", { final_logit_softcapping: null }],
  ["gemma2", { query_pre_attn_scalar: 24 }],
  ["gemma2", { layer_types: Array(3).fill("full_attention") }],
  ["gemma3_text", { rope_local_base_freq: 10_000 }],
  ["gemma3_text", { sliding_window_pattern: 2 }],
])("%s with %o is another model", async (name, changes) => {
  expect(await distanceOf(causalVariant(name), changes)).toBeGreaterThan(1e-2);
});

test("caps that are left out are those of Gemma 2; null switches them off", () => {
  const { config, ...variant } = causalVariant("gemma2, no caps");
  const { attn_logit_softcapping: _, final_logit_softcapping: __, ...without } = config;
  expect(describeChanged({ config, ...variant }, {}).logitCap).toBeNull();
  expect(describeChanged({ config: without, ...variant }, {}).logitCap).toBe(30);
});

test("the newer name of the activation goes before the older", async () => {
  const changes = { hidden_act: "relu", hidden_activation: "gelu_pytorch_tanh" };
  expect(await distanceOf(causalVariant("gemma"), changes)).toBeLessThan(1e-4);
});

test("heads that make no groups are refused", () => {
  expect(() => describeChanged(causalVariant("gemma"), { num_key_value_heads: 3 })).toThrow(
    "4 heads, 3 key-value heads",
  );
});
