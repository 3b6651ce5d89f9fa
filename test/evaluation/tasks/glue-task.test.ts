import { expect, test } from "vitest";
import type { Row } from "../../../src/evaluation/task.js";
import { findTasks } from "../../../src/evaluation/tasks/registry.js";
import { asked, exampleOf } from "./asked.js";

const pair = { sentence1: "It rained.", sentence2: "The street is dry " };

/** A row of each task, with what its classification head reads (columns of transformers' `run_glue.py`) and its class. */
const rows: readonly [task: string, row: Row, texts: string[], index: number][] = [
  ["glue:cola", { sentence: "He go.", label: 0, idx: 0 }, ["He go."], 0],
  ["glue:sst2", { sentence: "a joy . ", label: 1, idx: 0 }, ["a joy . "], 1],
  ["glue:mrpc", { ...pair, label: 1 }, ["It rained.", "The street is dry "], 1],
  ["glue:qqp", { question1: "Why?", question2: "Why so?", label: 1 }, ["Why?", "Why so?"], 1],
  ["glue:mnli", { premise: "It rained.", hypothesis: "It snowed", label: 2 }, ["It rained.", "It snowed"], 2],
  ["glue:mnli-mismatched", { premise: "A", hypothesis: "B", label: 1 }, ["A", "B"], 1],
  ["glue:qnli", { question: "Who?", sentence: "Ann did.", label: 0 }, ["Who?", "Ann did."], 0],
  ["glue:rte", { ...pair, label: 1 }, ["It rained.", "The street is dry "], 1],
  ["glue:wnli", { ...pair, label: 0 }, ["It rained.", "The street is dry "], 0],
];

test.each(rows)("%s gives a classification head its texts untouched", (task, row, texts, index) => {
  expect(asked(task, "classification", row)).toEqual({
    question: { kind: "classes", texts },
    gold: { kind: "index", index },
  });
});

test.each(rows)("%s makes no example of a hidden label, as in published tests", (task, row) => {
  for (const kind of ["classification", "causal"] as const) {
    for (const label of [-1, -1n, "-1", "", null])
      expect(exampleOf(task, kind, { ...row, label })).toBeNull();
  }
});

test.each(rows)("%s wants its label and texts, by name", (task, row) => {
  for (const column of Object.keys(row).filter((name) => name !== "idx")) {
    const { [column]: _, ...without } = row;
    for (const kind of ["classification", "causal"] as const) {
      expect(() => asked(task, kind, without)).toThrow(`a row has no column ${column}`);
    }
  }
});

test("SST-2's whole prompt and choices", () => {
  // lm_eval/tasks/glue/sst2/default.yaml: "{{sentence}}\nQuestion: Is this sentence positive or negative?\nAnswer:"
  const context = "a joy . \nQuestion: Is this sentence positive or negative?\nAnswer:";
  expect(asked("glue:sst2", "causal", { sentence: "a joy . ", label: 1 })).toEqual({
    question: {
      kind: "choices",
      choices: [
        { context, continuation: " negative" },
        { context, continuation: " positive" },
      ],
    },
    gold: { kind: "index", index: 1, lengths: [8, 8] },
  });
});

test("two solved examples stand before the prompt, a blank line after each", () => {
  const shots = [
    { sentence: "He go.", label: 0 },
    { sentence: "He goes.", label: 1 },
  ];
  const { question } = asked("glue:cola", "causal", { sentence: "Go he.", label: 0 }, shots);
  const asks = "\nQuestion: Does this sentence make sense?\nAnswer:";
  const context = `He go.${asks} no\n\nHe goes.${asks} yes\n\nGo he.${asks}`;
  expect(question).toEqual({
    kind: "choices",
    choices: [
      { context, continuation: " no" },
      { context, continuation: " yes" },
    ],
  });
});

test("a solved example needs its label", () => {
  const row = { sentence: "a", label: 0 };
  expect(() => asked("glue:sst2", "causal", row, [{ sentence: "b", label: -1 }])).toThrow("no gold label");
});

test.each([
  ["glue:qnli", { question: "Who?", sentence: "Ann.", label: "not_entailment" }, 1],
  ["glue:rte", { ...pair, label: "entailment" }, 0],
  ["glue:rte", { ...pair, label: "0" }, 0],
  ["glue:wnli", { ...pair, label: 1n }, 1],
  ["glue:mnli", { sentence1: "A", sentence2: "B", gold_label: "contradiction" }, 2],
  ["glue:qqp", { question1: "A", question2: "B", is_duplicate: "1" }, 1],
  ["glue:mrpc", { Quality: "1", "#1 ID": "3", "#2 ID": "4", "#1 String": "A", "#2 String": "B" }, 1],
  ["glue:cola", { source: "gj04", label: "0", mark: "*", sentence: "He go." }, 0],
])("%s takes the published file's columns and labels", (task, row, index) => {
  expect(asked(task, "classification", row).gold).toEqual({ kind: "index", index });
});

test("MNLI's rows on whose label annotators disagree are no examples", () => {
  const row = { sentence1: "A", sentence2: "B", gold_label: "-" };
  expect(exampleOf("glue:mnli", "classification", row)).toBeNull();
});

test("classes have GLUE's names, in the order of their numbers", () => {
  const [{ forms }] = findTasks("glue:mnli");
  expect(forms.classification?.classes).toEqual(["entailment", "neutral", "contradiction"]);
});

test("STS-B asks for a number, of heads with one output alone", () => {
  const hub = { sentence1: "A plane.", sentence2: "An aircraft.", label: 4.75, idx: 0 };
  const expected = {
    question: { kind: "classes", texts: ["A plane.", "An aircraft."] },
    gold: { kind: "number", number: 4.75 },
  };
  expect(asked("glue:stsb", "classification", hub)).toEqual(expected);
  const published = {
    genre: "main-captions",
    score: "4.750",
    sentence1: "A plane.",
    sentence2: "An aircraft.",
  };
  expect(asked("glue:stsb", "classification", published)).toEqual(expected);
  expect(exampleOf("glue:stsb", "classification", { ...hub, label: -1 })).toBeNull();
  expect(() => asked("glue:stsb", "classification", { ...hub, label: 5.5 })).toThrow(
    'the column label of a row is "5.5"',
  );
  expect(findTasks("glue:stsb")[0].forms.causal).toBeUndefined();
});

test.each([
  ["cola", ["mcc"]],
  ["sst2", ["acc"]],
  ["mrpc", ["acc", "f1"]],
  ["stsb", ["pearson", "spearmanr"]],
  ["qqp", ["acc", "f1"]],
  ["mnli", ["acc"]],
  ["mnli-mismatched", ["acc"]],
  ["qnli", ["acc"]],
  ["rte", ["acc"]],
  ["wnli", ["acc"]],
])("glue:%s is scored by GLUE's own metrics", (name, metrics) => {
  // arXiv:1804.07461, table 1
  const [{ forms }] = findTasks(`glue:${name}`);
  for (const form of Object.values(forms)) expect(form.metrics.map((each) => each.name)).toEqual(metrics);
});
