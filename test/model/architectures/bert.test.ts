import { expect, test } from "vitest";
import { classesOf, classificationVariant, describeChanged, describeFamily } from "./generated-families.js";

describeFamily("bert");

const plain = classificationVariant("bert, pairs");

test("the two texts of a pair are told apart", async () => {
  const [{ tokens, logits }] = plain.inputs;
  const ofOneText = await classesOf(plain, [{ tokens, segments: null }]);
  expect(Math.abs(ofOneText[0][0] - logits[0])).toBeGreaterThan(1e-3);
});

test("norms by the names of TensorFlow are read", async () => {
  const names = Object.entries(plain.tensors).map(([name, shape]) => {
    return [
      name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
      shape,
    ];
  });
  const [{ tokens }] = plain.inputs;
  expect(
    await classesOf({ ...plain, tensors: Object.fromEntries(names) }, [{ tokens, segments: null }]),
  ).toHaveLength(1);
});

test("a text longer than its table of positions is refused", async () => {
  const tokens = Array(40).fill(5);
  await expect(classesOf(plain, [{ tokens, segments: null }])).rejects.toThrow(
    "longer than the 32 positions",
  );
});

test.each([{ position_embedding_type: "relative_key" }, { is_decoder: true }])("%o is refused", (changes) => {
  expect(() => describeChanged(plain, changes)).toThrow(`config.json: ${Object.keys(changes)[0]}`);
});
