import { expect, test } from "vitest";
import { classificationVariant, describeChanged, describeFamily } from "./generated-families.js";

describeFamily("distilbert");

test("a width that is no multiple of its heads is refused", () => {
  const plain = classificationVariant("distilbert");
  expect(() => describeChanged(plain, { n_heads: 5 })).toThrow(
    "a hidden size of 32 is no multiple of 5 heads",
  );
});
