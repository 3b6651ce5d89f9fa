import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Row } from "../../../src/evaluation/task.js";
import { tasks } from "../../../src/evaluation/tasks/registry.js";
import { asked } from "./asked.js";

/*
 * What lm-evaluation-harness's own templates and functions make of invented rows, two solved examples before the last one:
 * test/fixtures/make_harness_prompts.py ran them.
 */
const fixture = JSON.parse(readFileSync("test/fixtures/harness-prompts.json", "utf8")) as {
  readonly asked: Readonly<
    Record<string, { task: string; rows: Row[]; choices: [string, string][]; correct: number }>
  >;
  readonly "squad-v2": { rows: Row[]; context: string };
  readonly wikitext: { page: string; text: string; words: number; bytes: number }[];
};

test.each(Object.entries(fixture.asked))("%s asks as the harness's templates do", (name, expected) => {
  const { question, gold } = asked(name, "causal", expected.rows.at(-1)!, expected.rows.slice(0, -1));
  expect(question).toEqual({
    kind: "choices",
    choices: expected.choices.map(([context, continuation]) => ({ context, continuation })),
  });
  expect(gold).toMatchObject({ kind: "index", index: expected.correct });
});

test("SQuAD v2 asks as the harness does, with its two spaces before solved answers", () => {
  const { rows, context } = fixture["squad-v2"];
  const { question } = asked("squad-v2", "causal", rows.at(-1)!, rows.slice(0, -1));
  expect(question).toMatchObject({ kind: "generation", context });
});

test.each(fixture.wikitext)("WikiText's page %# is detokenized and counted as in the harness", (expected) => {
  const { question, gold } = asked("wikitext", "causal", { page: expected.page });
  expect(question).toEqual({ kind: "text", text: expected.text });
  expect(gold).toEqual({ kind: "text", words: expected.words, bytes: expected.bytes });
});

test("every task that the harness has is compared with it", () => {
  const compared = [...Object.keys(fixture.asked), "squad-v2", "wikitext"];
  const causal = tasks.filter(({ forms }) => forms.causal).map(({ name }) => name);
  expect(compared.sort()).toEqual(causal.sort());
});

test("forms name the harness's task that the templates are of", () => {
  // MMLU is a group there, with a task a subject.
  const renamed: Record<string, string> = { mmlu_high_school_us_history: "mmlu" };
  for (const [name, { task }] of Object.entries(fixture.asked)) {
    const found = tasks.find((each) => each.name === name);
    expect(found?.forms.causal?.harness?.task).toBe(renamed[task] ?? task);
  }
});
