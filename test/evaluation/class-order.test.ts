import { expect, test } from "vitest";
import { inOrderOfTask } from "../../src/evaluation/class-order.js";
import { chosen, classified } from "./metrics/examples.js";

const classes = ["entailment", "neutral", "contradiction"];
const answered = [classified([1, 2, 3], 0), classified([6, 5, 4], 2)];

function logitsWith(id2label: unknown, form: { readonly classes?: readonly string[] } = { classes }) {
  return inOrderOfTask(answered, form, { id2label }).map(({ answer }) =>
    answer.kind === "classes" ? answer.logits : answer.kind,
  );
}

const asTheyAre = [
  [1, 2, 3],
  [6, 5, 4],
];

test("logits come in the task's order of the names that the checkpoint has for its classes", () => {
  // facebook/bart-large-mnli has them the other way round.
  expect(logitsWith({ 0: "contradiction", 1: "neutral", 2: "entailment" })).toEqual([
    [3, 2, 1],
    [4, 5, 6],
  ]);
  expect(logitsWith({ 2: "CONTRADICTION", 0: "Neutral", 1: "Entailment" })).toEqual([
    [2, 1, 3],
    [5, 6, 4],
  ]);
  expect(logitsWith(["neutral", "entailment", "contradiction"])).toEqual([
    [2, 1, 3],
    [5, 6, 4],
  ]);
});

test("gold stays where it is", () => {
  const ordered = inOrderOfTask(answered, { classes }, { id2label: { 0: "contradiction" } });
  expect(ordered.map(({ gold }) => gold)).toEqual(answered.map(({ gold }) => gold));
});

test.each([
  ["names of its own", { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2" }],
  ["only some of the names", { 0: "contradiction", 1: "neutral" }],
  ["a class beyond its logits", { 0: "contradiction", 1: "neutral", 7: "entailment" }],
  ["a name twice", { 0: "neutral", 1: "neutral", 2: "entailment" }],
  ["a number that is none", { x: "contradiction", 1: "neutral", 2: "entailment" }],
  ["nothing", undefined],
  ["no names", null],
  ["a text", "entailment"],
])("a checkpoint with %s has its logits as they are", (_, id2label) => {
  expect(logitsWith(id2label)).toEqual(asTheyAre);
});

test("so has a task without classes, and an answer of another kind", () => {
  expect(logitsWith({ 0: "contradiction", 1: "neutral", 2: "entailment" }, {})).toEqual(asTheyAre);
  const choices = [chosen([-1, -2], 0)];
  expect(inOrderOfTask(choices, { classes: ["b", "a"] }, { id2label: { 0: "a", 1: "b" } })).toEqual(choices);
});
