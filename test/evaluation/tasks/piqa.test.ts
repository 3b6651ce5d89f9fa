import { expect, test } from "vitest";
import { asked, exampleOf } from "./asked.js";

const row = { goal: "Open a jar", sol1: "Turn the lid.", sol2: "Drop it", label: 0 };

test("PIQA's prompt and solutions", () => {
  // lm_eval/tasks/piqa/piqa.yaml: "Question: {{goal}}\nAnswer:"
  const context = "Question: Open a jar\nAnswer:";
  expect(asked("piqa", "causal", row)).toEqual({
    question: {
      kind: "choices",
      choices: [
        { context, continuation: " Turn the lid." },
        { context, continuation: " Drop it" },
      ],
    },
    gold: { kind: "index", index: 0, lengths: [13, 7] },
  });
});

test("hidden labels make no example, missing columns are named", () => {
  expect(exampleOf("piqa", "causal", { ...row, label: -1n })).toBeNull();
  const { sol2: _, ...without } = row;
  expect(() => asked("piqa", "causal", without)).toThrow("no column sol2");
});
