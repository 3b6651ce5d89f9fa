import { expect, test } from "vitest";
import { asked, exampleOf } from "./asked.js";

const row = {
  activity_label: "Home and Garden",
  ctx_a: "[header] How to sweep [title] Take a broom. [step] Hold  it.",
  ctx_b: "then, with ANN",
  endings: ["sweep.", " [substeps] Rest.  Sleep.", "sing [title] Dance", "go"],
  label: "3",
};

test("WikiHow's marks leave prompt and endings, and the second part begins with its only capital", () => {
  // Worked by hand from lm_eval/tasks/hellaswag/utils.py: `preprocess` and `capitalize`. A mark of one space on either side
  // leaves two, which become one; a mark at the start of an ending leaves its space.
  const context = "Home and Garden: How to sweep. Take a broom. Hold it. Then, with ann";
  const continuations = [" sweep.", "  Rest. Sleep.", " sing. Dance", " go"];
  expect(asked("hellaswag", "causal", row)).toEqual({
    question: { kind: "choices", choices: continuations.map((continuation) => ({ context, continuation })) },
    gold: { kind: "index", index: 3, lengths: [6, 13, 11, 2] },
  });
});

test("the second part may be missing its text, not its column", () => {
  const { question } = asked("hellaswag", "causal", { ...row, ctx_a: "A man rows.", ctx_b: "" });
  expect(question).toMatchObject({ choices: [{ context: "Home and Garden: A man rows." }, {}, {}, {}] });
  const { ctx_b: _, ...without } = row;
  expect(() => asked("hellaswag", "causal", without)).toThrow("no column ctx_b");
});

test("rows of the test split have no label", () => {
  expect(exampleOf("hellaswag", "causal", { ...row, label: "" })).toBeNull();
});

test("a label beyond the endings is refused", () => {
  expect(() => asked("hellaswag", "causal", { ...row, label: 4 })).toThrow("the column label of a row is");
});
