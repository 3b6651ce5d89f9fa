import { expect, test } from "vitest";
import { asked } from "./asked.js";

test.each([
  ["one two\nthree four", "one two\nthree", " four"],
  ["one  two", "one ", " two"],
  ["one two ", "one two", " "],
  ["one", "", " one"],
])("LAMBADA asks for what follows the last space of %j", (text, context, continuation) => {
  // lm_eval/tasks/lambada/lambada_openai.yaml: text.split(' ')
  expect(asked("lambada", "causal", { text })).toEqual({
    question: { kind: "choices", choices: [{ context, continuation }] },
    gold: { kind: "index", index: 0 },
  });
});

test("a row without text is refused", () => {
  expect(() => asked("lambada", "causal", { passage: "one two" })).toThrow("no column text");
});
