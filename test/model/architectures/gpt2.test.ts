import { describe, expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("gpt2");

test("scores are divided by the layer's number only where it is asked for", async () => {
  const variant = causalVariant("gpt2, scores divided by the layer, an inner size of its own");
  expect(await distanceOf(variant, { scale_attn_by_inverse_layer_idx: false })).toBeGreaterThan(1e-2);
});

describe("what does not fit is refused by name", () => {
  const plain = causalVariant("gpt2");

  test("a text longer than its table of positions", async () => {
    const shorter = { ...plain, tensors: { ...plain.tensors, "transformer.wpe.weight": [8, 32] } };
    await expect(distanceOf(shorter, { n_positions: 8 })).rejects.toThrow(
      "a text of 16 tokens is longer than the 8 positions that the model has",
    );
  });

  test("a width that is no multiple of its heads", () => {
    expect(() => describeChanged(plain, { n_head: 5 })).toThrow(
      "a hidden size of 32 is no multiple of 5 heads",
    );
  });

  test("an activation that is not known", () => {
    const opened = distanceOf(plain, { activation_function: "mish" });
    return expect(opened).rejects.toThrow("the activation 'mish' cannot be computed");
  });

  test("attention to another model", () => {
    expect(() => describeChanged(plain, { add_cross_attention: true })).toThrow("add_cross_attention");
  });

  test("a missing tensor", () => {
    const missing = { "transformer.h.1.ln_2.bias": undefined };
    expect(() => describeChanged(plain, {}, missing)).toThrow("tensor transformer.h.1.ln_2.bias is missing");
  });
});
