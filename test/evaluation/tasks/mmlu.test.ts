import { expect, test } from "vitest";
import { examplesOf } from "../../../src/evaluation/examples.js";
import { findTasks } from "../../../src/evaluation/tasks/registry.js";
import { asked, exampleOf } from "./asked.js";

const row = {
  question: " Where is the hyoid? ",
  subject: "college_biology",
  choices: ["Neck", "Hand", "Knee", "Ear"],
  answer: 0,
};
const [mmlu] = findTasks("mmlu");

// lm_eval/tasks/mmlu/default: `description` of mmlu_college_biology.yaml, `doc_to_text` of _default_template_yaml
const context = `The following are multiple choice questions (with answers) about college biology.

Where is the hyoid?
A. Neck
B. Hand
C. Knee
D. Ear
Answer:`;

test("MMLU names the subject, lists the choices and asks for a letter", () => {
  expect(asked("mmlu", "causal", row)).toEqual({
    question: {
      kind: "choices",
      choices: ["A", "B", "C", "D"].map((letter) => ({ context, continuation: ` ${letter}` })),
    },
    gold: { kind: "index", index: 0, lengths: [1, 1, 1, 1] },
  });
});

test("Hendrycks's own files have a column a choice, and their name is the subject", () => {
  const table = {
    question: "Where is the hyoid?",
    A: "Neck",
    B: "Hand",
    C: "Knee",
    D: "Ear",
    answer: "A",
    subject: "college_biology_val",
  };
  expect(asked("mmlu", "causal", table)).toEqual(asked("mmlu", "causal", row));
});

test("solved examples are the first of the row's own subject, whatever split their file is of", () => {
  const pool = ["anatomy", "college_biology", "anatomy", "college_biology", "college_biology"].map(
    (subject, at) => ({ ...row, question: `Question ${at}`, subject: `${subject}_dev` }),
  );
  const val = { ...row, subject: "college_biology_val" };
  const [{ question }] = examplesOf(mmlu.forms.causal!, [val], mmlu.data, pool, 2);
  const context = question.kind === "choices" ? question.choices[0].context : "";
  expect(context.match(/Question \d/g)).toEqual(["Question 1", "Question 3"]);
  expect(() => examplesOf(mmlu.forms.causal!, [row], mmlu.data, pool, 4)).toThrow(
    "4 solved examples of college biology are to be shown, and there are 3",
  );
});

test("hidden answers make no example", () => {
  expect(exampleOf("mmlu", "causal", { ...row, answer: -1 })).toBeNull();
});

test("a row without subject, with other than four choices, or an odd answer is refused", () => {
  const { subject: _, ...without } = row;
  expect(() => asked("mmlu", "causal", without)).toThrow("no column subject");
  expect(() => asked("mmlu", "causal", { ...row, choices: ["a"] })).toThrow("the column choices of a row");
  expect(() => asked("mmlu", "causal", { ...row, answer: "E" })).toThrow("the column answer of a row");
});
