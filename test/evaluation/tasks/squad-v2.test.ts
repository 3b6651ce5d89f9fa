import { expect, test } from "vitest";
import { asked } from "./asked.js";

const row = {
  id: "1",
  title: "Owls",
  context: "Owls eat mice.",
  question: "What do owls eat?",
  answers: { text: ["mice", "mice."], answer_start: [9, 9] },
};
const unanswered = { ...row, question: "What do mice eat?", answers: { text: [], answer_start: [] } };

test("a question-answering head gets question and passage", () => {
  expect(asked("squad-v2", "answering", row)).toEqual({
    question: { kind: "span", question: "What do owls eat?", passage: "Owls eat mice." },
    gold: { kind: "texts", texts: ["mice", "mice."] },
  });
});

test("a causal model goes on after the harness's prompt, to the end of the line", () => {
  // lm_eval/tasks/squadv2/task.py: doc_to_text, construct_requests; 256 is `max_gen_toks` of lm_eval/models/huggingface.py
  expect(asked("squad-v2", "causal", row)).toEqual({
    question: {
      kind: "generation",
      context: "Title: Owls\n\nBackground: Owls eat mice.\n\nQuestion: What do owls eat?\n\nAnswer:",
      stops: ["\n"],
      mostTokens: 256,
      alternative: " unanswerable",
    },
    gold: { kind: "texts", texts: ["mice", "mice."] },
  });
});

test("questions without answer have no right text", () => {
  expect(asked("squad-v2", "answering", unanswered).gold).toEqual({ kind: "texts", texts: [] });
});

test("solved examples show the first right text, or that there is none", () => {
  const { question } = asked("squad-v2", "causal", row, [row, unanswered]);
  const context = "context" in question ? question.context : "";
  expect(context).toContain("What do owls eat?\n\nAnswer:  mice\n\nTitle:");
  expect(context).toContain("What do mice eat?\n\nAnswer:  unanswerable\n\nTitle:");
  expect(context.endsWith("Question: What do owls eat?\n\nAnswer:")).toBe(true);
});

test.each([null, "{'text': ['mice']}", { text: "mice" }, {}])("answers %j are refused", (answers) => {
  expect(() => asked("squad-v2", "answering", { ...row, answers })).toThrow("the column answers of a row is");
});

test("columns that are missing are named", () => {
  for (const column of ["context", "question", "answers"] as const) {
    const { [column]: _, ...without } = row;
    expect(() => asked("squad-v2", "answering", without)).toThrow(`no column ${column}`);
    expect(() => asked("squad-v2", "causal", without)).toThrow(`no column ${column}`);
  }
});
