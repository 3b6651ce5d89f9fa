import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("gpt_neox");

const plain = causalVariant("gpt_neox");

test.each([
  { rotary_pct: 1 },
  { use_parallel_residual: false },
  { rotary_emb_base: 50 },
  { hidden_act: "relu" },
])("with %o it is another model", async (changes) => {
  expect(await distanceOf(plain, changes)).toBeGreaterThan(1e-2);
});

test("newer configurations say under rope_parameters how much of a head is rotated", async () => {
  const changes = {
    ...{ rotary_pct: undefined, rotary_emb_base: undefined },
    rope_parameters: { rope_type: "default", rope_theta: 10_000, partial_rotary_factor: 0.25 },
  };
  expect(await distanceOf(plain, changes)).toBeLessThan(1e-4);
});

test("channels that make no pairs are refused", () => {
  expect(() => describeChanged(plain, { rotary_pct: 0.2 })).toThrow(
    "3 channels of each head would be rotated",
  );
});
