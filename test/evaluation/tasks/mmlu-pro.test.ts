import { expect, test } from "vitest";
import { asked } from "./asked.js";

const row = {
  question: "What is 2 + 3? ",
  options: ["5", "6", "N. 7"],
  answer: "A",
  answer_index: 0,
  category: "math",
};

test("MMLU-Pro lists the options and asks for a letter", () => {
  // lm_eval/tasks/leaderboard/mmlu_pro/utils.py
  const context = "What is 2 + 3? \nA. 5\nB. 6\nC. N. 7\nAnswer:";
  expect(asked("mmlu-pro", "causal", row)).toEqual({
    question: {
      kind: "choices",
      choices: [" A", " B", " C"].map((continuation) => ({ context, continuation })),
    },
    gold: { kind: "index", index: 0, lengths: [1, 1, 1] },
  });
});

test("options and answer that do not fit are refused", () => {
  expect(() => asked("mmlu-pro", "causal", { ...row, options: [] })).toThrow("the column options of a row");
  expect(() => asked("mmlu-pro", "causal", { ...row, options: Array(27).fill("a") })).toThrow(
    "1 to 26 texts",
  );
  expect(() => asked("mmlu-pro", "causal", { ...row, answer: "D" })).toThrow("the column answer of a row");
});
