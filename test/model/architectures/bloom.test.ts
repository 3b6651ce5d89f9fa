import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("bloom");

const plain = causalVariant("bloom");

test("sizes may go by the names that other families have", async () => {
  const others = { n_layer: undefined, n_head: undefined, num_hidden_layers: 2, num_attention_heads: 4 };
  expect(await distanceOf(plain, { ...others, hidden_size: undefined, n_embed: 32 })).toBeLessThan(1e-4);
});

test("without the residuals of the norms it is another model", async () => {
  const variant = causalVariant("bloom, six heads, residuals out of the norms, names without transformer.");
  const changes = { apply_residual_connection_post_layernorm: false };
  expect(await distanceOf(variant, changes)).toBeGreaterThan(1e-2);
});

test("a configuration without a size is refused by its name", () => {
  expect(() => describeChanged(plain, { n_head: undefined })).toThrow("config.json: n_head");
});
