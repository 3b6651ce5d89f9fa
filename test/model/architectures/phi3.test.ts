import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("phi3");

test.each([
  ["phi3", { sliding_window: null }],
  ["phi3, half of each head rotated, tied", { partial_rotary_factor: 1 }],
  ["phi3, longrope within its original context", { rope_scaling: null }],
  ["phi3, longrope beyond its original context", { original_max_position_embeddings: 32 }],
])("%s: with %o it is another model", async (name, changes) => {
  expect(await distanceOf(causalVariant(name), changes)).toBeGreaterThan(1e-2);
});

test("LongRoPE by the name of the first configurations is the same", async () => {
  const variant = causalVariant("phi3, longrope within its original context");
  const scaling = { ...(variant.config.rope_scaling as object), type: "su" };
  expect(await distanceOf(variant, { rope_scaling: scaling })).toBeLessThan(1e-4);
});

test("factors for other heads are refused", () => {
  const variant = causalVariant("phi3, longrope within its original context");
  expect(() => describeChanged(variant, { partial_rotary_factor: 0.5 })).toThrow(
    "rope_scaling.short_factor has 4 factors for 2 pairs",
  );
});
