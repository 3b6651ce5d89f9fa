import { expect, test } from "vitest";
import type { Row } from "../../../src/evaluation/task.js";
import { asked, exampleOf } from "./asked.js";

const hub = {
  id: "x",
  question: "What melts?",
  choices: { text: ["ice", "stóne𝄞", "air"], label: ["A", "B", "C"] },
  answerKey: "B",
};

/** The prompts of lm_eval/tasks/arc/arc_easy.yaml ("Question: {{question}}\nAnswer:") and openbookqa.yaml (the stem alone). */
function expected(context: string, index: number, choices = ["ice", "stóne𝄞", "air"], lengths = [3, 6, 3]) {
  return {
    question: { kind: "choices", choices: choices.map((each) => ({ context, continuation: ` ${each}` })) },
    gold: { kind: "index", index, lengths },
  };
}

test("ARC's prompt and choices, whose lengths are in Unicode code points", () => {
  const prompt = "Question: What melts?\nAnswer:";
  expect(asked("arc-easy", "causal", hub)).toEqual(expected(prompt, 1));
  expect(asked("arc-challenge", "causal", hub)).toEqual(expected(prompt, 1));
});

test("labels may be numbers", () => {
  const choices = { text: hub.choices.text, label: ["1", "2", "3"] };
  expect(asked("arc-easy", "causal", { ...hub, choices, answerKey: "3" }).gold).toMatchObject({ index: 2 });
});

test("OpenBookQA's prompt is the question's beginning alone", () => {
  const { question, ...rest } = hub;
  const row = { ...rest, question_stem: question, answerKey: " C" };
  expect(asked("openbookqa", "causal", row)).toEqual(expected("What melts?", 2));
});

test.each(["arc-easy", "openbookqa"])("%s takes AI2's own lines", (task) => {
  const choices = hub.choices.text.map((text, at) => ({ text, label: "ABC"[at] }));
  const row = { question: { stem: "What melts?", choices }, answerKey: "A" };
  const prompt = task === "openbookqa" ? "What melts?" : "Question: What melts?\nAnswer:";
  expect(asked(task, "causal", row)).toEqual(expected(prompt, 0));
});

test("a table has a column a choice", () => {
  const row = { question: "What melts?", A: "ice", B: "wax", C: "air", D: "fog", answer: "B" };
  const prompt = "Question: What melts?\nAnswer:";
  expect(asked("arc-easy", "causal", row)).toEqual(
    expected(prompt, 1, ["ice", "wax", "air", "fog"], [3, 3, 3, 3]),
  );
  expect(asked("arc-easy", "causal", { ...row, D: "", answer: "2" })).toEqual(
    expected(prompt, 1, ["ice", "wax", "air"], [3, 3, 3]),
  );
});

test("rows of a table that lost their right choice are no examples", () => {
  const lost = { question: "What melts?", A: "", B: "", C: "", D: "", answer: "2" };
  expect(exampleOf("arc-easy", "causal", lost)).toBeNull();
  const five = { question: "What melts?", A: "a", B: "b", C: "c", D: "d", answer: "E" };
  expect(exampleOf("arc-easy", "causal", five)).toBeNull();
});

test("a hidden answer makes no example", () => {
  for (const answerKey of ["", null])
    expect(exampleOf("arc-easy", "causal", { ...hub, answerKey })).toBeNull();
});

test.each<[string, Row, string]>([
  [
    "an answer that is no label",
    { ...hub, answerKey: "E" },
    'the column answerKey of a row is "E", not one of the labels A, B, C',
  ],
  ["no answer", { question: "q", choices: hub.choices }, "no column answerKey (nor answer)"],
  ["no choices", { question: "q", answerKey: "A" }, "no column choices"],
  ["choices as written text", { ...hub, choices: "{'text': []}" }, "the column choices of a row is"],
  ["no choice at all", { ...hub, choices: { text: [], label: [] } }, "the column choices of a row is"],
  ["fewer labels than texts", { ...hub, choices: { text: ["a", "b"], label: ["A"] } }, "the column choices"],
  ["a line without stem", { question: { choices: [] }, answerKey: "A" }, "the column question of a row is"],
  [
    "a line of odd choices",
    { question: { stem: "q", choices: [null, 1] }, answerKey: "A" },
    "the column question",
  ],
  ["a table without its last choice", { question: "q", A: "a", B: "b", C: "c", answer: "A" }, "no column D"],
  [
    "a table with an odd answer",
    { question: "q", A: "a", B: "b", C: "c", D: "d", answer: "x" },
    "the column answer",
  ],
])("%s is refused by name", (_, row, message) => {
  expect(() => asked("arc-easy", "causal", row)).toThrow(message);
});
