import { expect, test } from "vitest";
import { classesOf, classificationVariant, describeChanged, describeFamily } from "./generated-families.js";

describeFamily("roberta");

const plain = classificationVariant("roberta");

test("positions begin behind the id of padding: two fewer are left for tokens", async () => {
  expect(describeChanged(plain, {}).contextLength).toBe(30);
  const text = (length: number) => classesOf(plain, [{ tokens: Array(length).fill(5), segments: null }]);
  await expect(text(30)).resolves.toHaveLength(1);
  await expect(text(31)).rejects.toThrow("longer than the 30 positions");
});

test("it has one kind of tokens: the second text of a pair counts as the first", async () => {
  const [{ tokens, logits }] = plain.inputs;
  const [pair] = await classesOf(plain, [{ tokens, segments: tokens.map((_, at) => Number(at > 7)) }]);
  expect(Math.abs(pair[0] - logits[0])).toBeLessThan(1e-4);
});

test("a table of positions without one for a token is refused", () => {
  expect(() => describeChanged(plain, { pad_token_id: 31 })).toThrow("none is left for a token");
});
