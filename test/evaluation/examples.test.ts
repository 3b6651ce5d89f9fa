import { expect, test } from "vitest";
import { examplesOf } from "../../src/evaluation/examples.js";
import type { Form, Row } from "../../src/evaluation/task.js";

/** Asks for a row's text after those of its shots; rows without label are no examples. */
const form: Form = {
  harness: null,
  metrics: [],
  example: (row, shots) =>
    row.label === -1
      ? null
      : {
          question: { kind: "text", text: [...shots, row].map(({ text }) => text).join(" ") },
          gold: { kind: "text", words: 0, bytes: 0 },
        },
};

function asked(rows: readonly Row[], shotRows: readonly Row[], shots: number, share?: (row: Row) => string) {
  const examples = examplesOf(form, rows, { shotsShare: share }, shotRows, shots);
  return examples.map(({ question }) => (question.kind === "text" ? question.text : question.kind));
}

const rows = ["a", "b", "c"].map((text) => ({ text }));

test("rows without a right answer are left out", () => {
  expect(asked([{ text: "a" }, { text: "b", label: -1 }], [], 0)).toEqual(["a"]);
});

test("the first rows are shown, in order, and no more than asked for", () => {
  expect(asked([{ text: "x" }, { text: "y" }], rows, 2)).toEqual(["a b x", "a b y"]);
  expect(asked([{ text: "x" }], rows, 0)).toEqual(["x"]);
});

test("a row never shows itself, read from another file too", () => {
  expect(asked([{ text: "b" }], rows, 2)).toEqual(["a c b"]);
  expect(asked([{ text: "c" }], rows, 2)).toEqual(["a b c"]);
});

test("what shots share with the row is asked of each", () => {
  const of = (subject: string, text: string) => ({ subject, text });
  const pool = [of("s", "a"), of("t", "b"), of("s", "c"), of("t", "d")];
  const share = (row: Row) => String(row.subject);
  expect(asked([of("t", "x"), of("s", "y")], pool, 2, share)).toEqual(["b d x", "a c y"]);
  expect(() => asked([of("s", "x")], pool, 3, share)).toThrow(
    "3 solved examples of s are to be shown, and there are 2",
  );
});

test("too few are refused", () => {
  expect(() => asked([{ text: "b" }], rows, 3)).toThrow("3 solved examples are to be shown, and there are 2");
});
