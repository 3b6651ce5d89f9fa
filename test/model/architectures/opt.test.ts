import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("opt");

const plain = causalVariant("opt");

test.each([{ do_layer_norm_before: false }, { activation_function: "gelu" }])(
  "with %o it is another model",
  async (changes) => {
    expect(await distanceOf(plain, changes)).toBeGreaterThan(1e-2);
  },
);

test("a checkpoint of the decoder alone has names without their first part", async () => {
  const bare = Object.entries(plain.tensors).map(([name, shape]) => [name.replace(/^model\./, ""), shape]);
  // Weights follow from names, so these are others: what counts is that all tensors are found.
  expect(await distanceOf({ ...plain, tensors: Object.fromEntries(bare) }, {})).toBeGreaterThan(0);
});

test("norms without weights are refused", () => {
  expect(() => describeChanged(plain, { layer_norm_elementwise_affine: false })).toThrow(
    "layer_norm_elementwise_affine",
  );
});
