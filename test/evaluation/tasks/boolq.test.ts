import { expect, test } from "vitest";
import { asked, exampleOf } from "./asked.js";

const row = { passage: "Owls hunt by night.", question: "do owls hunt by day", label: 0 };

test("BoolQ's prompt and choices", () => {
  // lm_eval/tasks/super_glue/boolq/default.yaml: "{{passage}}\nQuestion: {{question}}?\nAnswer:"
  const context = "Owls hunt by night.\nQuestion: do owls hunt by day?\nAnswer:";
  expect(asked("boolq", "causal", row)).toEqual({
    question: {
      kind: "choices",
      choices: [
        { context, continuation: " no" },
        { context, continuation: " yes" },
      ],
    },
    gold: { kind: "index", index: 0, lengths: [2, 3] },
  });
});

test.each([
  [true, 1],
  ["True", 1],
  ["false", 0],
])("BoolQ's own lines answer %j", (answer, index) => {
  const { label: _, ...published } = row;
  expect(asked("boolq", "causal", { ...published, answer }).gold).toMatchObject({ index });
});

test("hidden labels make no example, missing columns are named", () => {
  expect(exampleOf("boolq", "causal", { ...row, label: -1 })).toBeNull();
  const { passage: _, ...without } = row;
  expect(() => asked("boolq", "causal", without)).toThrow("no column passage");
});
