import { expect, test } from "vitest";
import { asked, exampleOf } from "./asked.js";

const row = {
  sentence: "Eve thanked Max as _  had helped her. ",
  option1: "Eve",
  option2: "Max",
  answer: "2",
};

test("WinoGrande's contexts differ and the continuation is one", () => {
  // lm_eval/tasks/winogrande/preprocess_winogrande.py: the rest of the sentence is stripped
  expect(asked("winogrande", "causal", row)).toEqual({
    question: {
      kind: "choices",
      choices: [
        { context: "Eve thanked Max as Eve", continuation: " had helped her." },
        { context: "Eve thanked Max as Max", continuation: " had helped her." },
      ],
    },
    gold: { kind: "index", index: 1 },
  });
});

test("solved examples have the right option in their blank", () => {
  const shot = { sentence: "Al fed Bo, for _ was hungry.", option1: "Al", option2: "Bo", answer: "2" };
  const { question } = asked("winogrande", "causal", row, [shot, { ...shot, answer: "1" }]);
  const solved = "Al fed Bo, for Bo was hungry.\n\nAl fed Bo, for Al was hungry.\n\n";
  expect(question).toMatchObject({
    choices: [{ context: `${solved}Eve thanked Max as Eve` }, { context: `${solved}Eve thanked Max as Max` }],
  });
});

test("a sentence begins or ends with its blank", () => {
  const ends = { sentence: "_ slept beside _", option1: "Al", option2: "Bo", answer: 1 };
  expect(asked("winogrande", "causal", ends).question).toMatchObject({
    choices: [
      { context: "Al", continuation: " slept beside _" },
      { context: "Bo", continuation: " slept beside _" },
    ],
  });
});

test("hidden answers make no example; others than 1 and 2, and sentences without blank, are refused", () => {
  expect(exampleOf("winogrande", "causal", { ...row, answer: "" })).toBeNull();
  expect(() => asked("winogrande", "causal", { ...row, answer: "0" })).toThrow("the column answer of a row");
  expect(() => asked("winogrande", "causal", { ...row, sentence: "No blank." })).toThrow(
    "the column sentence",
  );
  const { option2: _, ...without } = row;
  expect(() => asked("winogrande", "causal", without)).toThrow("no column option2");
});
