import fc from "fast-check";
import { expect, test } from "vitest";
import { bestSquadMetrics, normalizedAnswer, squadMetrics } from "../../../src/evaluation/metrics/squad.js";
import type { Answered } from "../../../src/evaluation/task.js";
import { generated, metricOf, spanned } from "./examples.js";

function squad(name: string, examples: readonly Answered[]): number {
  const metric = [...squadMetrics, ...bestSquadMetrics].find((each) => each.name === name);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  return metricOf(metric, examples);
}

test.each([
  ["The Cat", "cat"],
  ["  a  big\tdog \n", "big dog"],
  ["U.S.A.", "usa"],
  ["rock-'n'-roll!", "rocknroll"],
  ["$1,000", "1000"],
  ["An apple and the end", "apple and end"],
  ["theory of another area", "theory of another area"], // articles are whole words
  ["The", ""],
  ["the-end", "theend"], // punctuation goes first, and joins
  ["Beyoncé’s “Déjà Vu”", "beyoncé’s “déjà vu”"], // only ASCII punctuation goes
  ["piñ a ta", "piñ ta"],
  ["piñata é", "piñata é"], // in ñ and é a word goes on
  ["a\u00a0b\u2003c", "b c"],
  ["İstanbul", "i̇stanbul"],
  ["_the_", ""], // the underscore is punctuation
])("%j is normalised to %j", (text, expected) => {
  expect(normalizedAnswer(text)).toBe(expected);
});

test("normalised text stays as it is, one space between words", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const once = normalizedAnswer(text);
      expect(normalizedAnswer(once)).toBe(once);
      expect(once).not.toMatch(/^\p{White_Space}|\p{White_Space}$|\p{White_Space}{2}|[!-/:-@[-`{-~]/u);
    }),
  );
});

test("exact takes the best of the right texts", () => {
  expect(squad("exact", [spanned("the Normans", ["Vikings", "Normans"])])).toBe(1);
  expect(squad("exact", [spanned("Norman", ["Vikings", "Normans"])])).toBe(0);
});

test("f1 counts common words, each as often as both have it", () => {
  // "big big cat" against "big cat cat sat": common big, cat: precision 2/3, recall 2/4: 2 · 2 / (3 + 4) = 4/7
  expect(squad("f1", [spanned("big big cat", ["big cat cat sat"])])).toBeCloseTo(4 / 7, 15);
  expect(squad("f1", [spanned("dog", ["big cat"])])).toBe(0);
  expect(squad("f1", [spanned("dog", ["cat", "hot dog"])])).toBeCloseTo(2 / 3, 15);
});

test("a question without an answer is answered right by an empty text alone", () => {
  expect(squad("exact", [generated("", [])])).toBe(1);
  expect(squad("f1", [generated(" the", [])])).toBe(1); // empty when normalised
  expect(squad("exact", [generated("Paris", [])])).toBe(0);
  expect(squad("f1", [generated("Paris", [])])).toBe(0);
  expect(squad("f1", [generated("", ["Paris"])])).toBe(0);
});

test("a right text that is empty when normalised counts for nothing beside others, and as empty alone", () => {
  expect(squad("exact", [spanned("", ["the", "cat"])])).toBe(0);
  expect(squad("exact", [spanned("", ["the"])])).toBe(1);
});

test("a span counts unless its score is below that of no answer", () => {
  const scored = (score: number, noAnswerScore: number): Answered => ({
    gold: { kind: "texts", texts: ["Paris"] },
    answer: { kind: "span", text: "Paris", score, noAnswerScore },
  });
  expect(squad("exact", [scored(2, 1)])).toBe(1);
  expect(squad("exact", [scored(2, 2)])).toBe(1);
  expect(squad("exact", [scored(1, 2)])).toBe(0);
});

test("HasAns and NoAns are means over the questions with and without an answer", () => {
  const examples = [
    spanned("big cat", ["cat"]), // f1 2/3
    spanned("cat", ["cat"]),
    spanned("cat", ["dog"]),
    spanned("", []),
    spanned("cat", []),
  ];
  expect(squad("exact", examples)).toBeCloseTo(2 / 5, 15);
  expect(squad("HasAns_exact", examples)).toBeCloseTo(1 / 3, 15);
  expect(squad("HasAns_f1", examples)).toBeCloseTo((2 / 3 + 1) / 3, 15);
  expect(squad("NoAns_exact", examples)).toBe(1 / 2);
  expect(squad("NoAns_f1", examples)).toBe(1 / 2);
});

test("HasAns has no value where no question has an answer", () => {
  expect(squad("HasAns_exact", [spanned("", [])])).toBeNaN();
});

test("best_exact tries every threshold of the alternative's likelihood", () => {
  const examples = [
    generated("cat", ["cat"], -9), // right
    generated("dog", [], -5), // wrong: should have been empty
    generated("cow", ["cow"], -4), // right
    generated("owl", [], -1), // wrong
  ];
  // Empty throughout: 2 of 4. Answering below −8: 3. Below −4.5: 2. Below −3: 3. All: 2.
  expect(squad("exact", examples)).toBe(2 / 4);
  expect(squad("best_exact", examples)).toBe(3 / 4);
});

test("best_f1 equals the best of all thresholds, tried one by one", () => {
  const word = fc.constantFrom("", "cat", "big cat");
  const question = fc.record({
    text: word,
    golds: fc.constantFrom([], ["cat"], ["big dog"]),
    alternative: fc.double({ min: -20, max: 0, noNaN: true }),
  });
  const unique = {
    selector: (each: { alternative: number }) => each.alternative,
    minLength: 1,
    maxLength: 12,
  };
  fc.assert(
    fc.property(fc.uniqueArray(question, unique), (questions) => {
      const below = (threshold: number) =>
        questions.map(({ text, golds, alternative }) =>
          generated(alternative <= threshold ? text : "", golds, alternative),
        );
      const thresholds = [-Infinity, ...questions.map(({ alternative }) => alternative)];
      const best = Math.max(...thresholds.map((threshold) => squad("f1", below(threshold))));
      expect(squad("best_f1", below(Infinity))).toBeCloseTo(best, 12);
    }),
  );
});

test("best_exact without the alternative's likelihood is refused", () => {
  expect(() => squad("best_exact", [generated("cat", ["cat"])])).toThrow(
    "best_exact needs the likelihood of an alternative",
  );
});
