import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestSpan, span } from "../../../src/evaluation/asking/span.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { bertTokens, characterEncoder, modelWith } from "./encoders.js";

/** A token a word, by its place among all words that were encoded. */
function wordEncoder(contextLength: number) {
  const words: string[] = [];
  return characterEncoder({
    encode: (text) =>
      Int32Array.from(text.split(/\s+/).filter(Boolean), (word) => {
        if (!words.includes(word)) words.push(word);
        return 1000 + words.indexOf(word);
      }),
    decode: (ids) => Array.from(ids, (id) => words[id - 1000]).join(" "),
    special: bertTokens,
    contextLength,
  });
}

const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}${i}`).join(" ");
const asked = (question: string, passage: string) => ({ kind: "span", question, passage }) as const;

describe("the windows of a passage", () => {
  /** Where the parts of `Encoding::truncate` of Hugging Face's tokenizers begin and end, `stride` tokens shared. */
  function parts(count: number, longest: number, stride: number): (readonly [number, number])[] {
    const found: [number, number][] = [];
    for (let first = 0; ; first += longest - stride) {
      const end = Math.min(first + longest, count);
      found.push([first, end]);
      if (end === count) return found;
    }
  }

  test("are those of transformers' example: 384 tokens with the question, 128 of them shared", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 1500 }), (question, count) => {
        const encoder = wordEncoder(512);
        const { windows } = span.prepare(asked(numbered("q", question), numbered("p", count)), encoder);
        const expected = parts(count, 384 - question - 3, 128);
        expect(windows).toHaveLength(expected.length);
        for (const [i, { input, offset, places }] of windows.entries()) {
          const [first, end] = expected[i];
          expect(offset).toBe(1 + question + 1);
          const text = encoder.decode(input.tokens.slice(offset, -1));
          expect(text).toBe(numbered("p", count).split(" ").slice(first, end).join(" "));
          expect(input.segments).toEqual(input.tokens.map((_, at) => Number(at >= offset)));
          expect(places).toHaveLength(end - first);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("of a model that sees less share half of what is the passage's, so that they stay few", () => {
    const { windows } = span.prepare(asked(numbered("q", 10), numbered("p", 100)), wordEncoder(63));
    expect(windows.map(({ places }) => places.length)).toEqual([50, 50, 50]); // room of 50, steps of 25
    expect(windows.every(({ input }) => input.tokens.length === 63)).toBe(true);
  });

  test("have half their tokens for the question at most; one that is cut is said to be", () => {
    const encoder = wordEncoder(40);
    const long = span.prepare(asked(numbered("q", 60), numbered("p", 30)), encoder);
    expect(long.windows[0].offset).toBe(1 + 20 + 1);
    expect(Math.max(...long.windows.map(({ input }) => input.tokens.length))).toBeLessThanOrEqual(40);
    expect(long.isCut).toBe(true);
    expect(span.prepare(asked("q", numbered("p", 300)), encoder).isCut).toBe(false);
  });
});

interface Window {
  readonly offset: number;
  readonly places: readonly (readonly [number, number])[];
  readonly logits: Matrix;
}

/**
 * postprocess_qa_predictions of transformers (utils_qa.py) with its defaults and answers that may be none, as far as the best
 * span and the two scores go. Of equal logits NumPy's argsort leaves the order open.
 */
function byTransformers(passage: string, windows: readonly Window[]) {
  let none = Number.POSITIVE_INFINITY;
  const found: { readonly text: string; readonly score: number }[] = [];
  for (const { offset, places, logits } of windows) {
    const [starts, ends] = [0, 1].map((column) =>
      Array.from({ length: logits.rows }, (_, token) => logits.data[token * 2 + column]),
    );
    none = Math.min(none, Math.fround(starts[0] + ends[0]));
    const offsets = starts.map((_, token) => places[token - offset] ?? null);
    const most = (values: readonly number[]) =>
      [...values.keys()]
        .sort((a, b) => values[a] - values[b])
        .slice(-20)
        .reverse();
    for (const start of most(starts)) {
      for (const end of most(ends)) {
        if (offsets[start] === null || offsets[end] === null) continue;
        if (end < start || end - start + 1 > 30) continue;
        const text = passage.slice(offsets[start][0], offsets[end][1]);
        found.push({ text, score: Math.fround(starts[start] + ends[end]) });
      }
    }
  }
  found.sort((a, b) => b.score - a.score);
  return { ...(found.find(({ text }) => text !== "") ?? { text: "empty", score: 0 }), noAnswerScore: none };
}

/** A window over tokens of one character each, `first` the passage's first that it has. */
function windowOf(first: number, offset: number, count: number, values: readonly number[]): Window {
  const rows = offset + count + 1;
  const places = Array.from({ length: count }, (_, i) => [first + i, first + i + 1] as const);
  return { offset, places, logits: matrix(rows, 2, Float32Array.from(values.slice(0, rows * 2))) };
}

describe("the best span", () => {
  const passage = Array.from({ length: 200 }, (_, i) => String.fromCharCode(0x4e00 + i)).join("");

  test("is that of transformers' example", () => {
    // No two logits are equal, so that there is no doubt which are the largest.
    const numbers = Array.from({ length: 240 }, (_, i) => i / 16 - 7);
    const logits = fc.shuffledSubarray(numbers, { minLength: 240, maxLength: 240 });
    const window = fc
      .tuple(fc.nat(100), fc.integer({ min: 2, max: 10 }), fc.integer({ min: 1, max: 100 }), logits)
      .map((each) => windowOf(...each));
    fc.assert(
      fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), (windows) => {
        const { kind: _, ...found } = bestSpan(passage, windows);
        const expected = byTransformers(passage, windows);
        expect(found).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  /** Logits 0 but for these: `start` and `end` by token of the window. */
  function withLogits(
    rows: number,
    start: Readonly<Record<number, number>>,
    end: Readonly<Record<number, number>>,
  ) {
    return Array.from({ length: rows * 2 }, (_, i) => (i % 2 === 0 ? start : end)[i >> 1] ?? 0);
  }

  test("has 30 tokens at most, and begins before it ends", () => {
    const far = windowOf(0, 2, 60, withLogits(63, { 2: 5 }, { 32: 4, 31: 3, 1: 9 }));
    expect(bestSpan(passage, [far])).toMatchObject({ text: passage.slice(0, 30), score: 8 });
    const reversed = windowOf(0, 2, 60, withLogits(63, { 12: 5 }, { 4: 9 }));
    expect(bestSpan(passage, [reversed]).score).toBe(9); // from one of the many zeros before token 4
  });

  test("is sought among the 20 likeliest tokens of the whole window, question included", () => {
    const ofQuestion = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 1, 9 - i / 10]));
    const hidden = windowOf(0, 22, 40, withLogits(63, { ...ofQuestion, 30: 5 }, { 31: 5 }));
    expect(bestSpan(passage, [hidden])).toEqual({
      ...{ kind: "span", text: "empty", score: 0, noAnswerScore: 0 },
    });
    const seen = windowOf(0, 22, 40, withLogits(63, { ...ofQuestion, 5: 0, 30: 5 }, { 31: 5 }));
    expect(bestSpan(passage, [seen])).toMatchObject({ text: passage.slice(8, 10), score: 10 });
  });

  test("counts against the window that least believes in no answer", () => {
    const windows = [3, -2, 7].map((none) => windowOf(0, 2, 3, withLogits(6, { 0: none, 2: 9 }, { 0: 1 })));
    expect(bestSpan(passage, windows).noAnswerScore).toBe(-1);
  });

  test("of a passage without tokens is none that could be", () => {
    expect(bestSpan("", [windowOf(0, 2, 0, [1, 2, 3, 4, 5, 6])])).toEqual({
      ...{ kind: "span", text: "empty", score: 0, noAnswerScore: 3 },
    });
  });
});

test("every question is answered from its own windows, whatever the order they are computed in", async () => {
  const encoder = wordEncoder(40);
  const questions = [
    asked("where", numbered("a", 70)),
    asked("who was it", numbered("b", 4)),
    asked("when", numbered("c", 90)),
  ].map((question) => span.prepare(question, encoder));
  const lengths: number[] = [];
  const model = modelWith({
    // Points at the words that end with 3.
    readout: async (inputs) =>
      inputs.map(({ tokens }) => {
        lengths.push(tokens.length);
        const logits = Array.from(tokens, (token) => (/^[abc]3$/.test(encoder.decode([token])) ? 5 : 0));
        return matrix(tokens.length, 2, Float32Array.from(logits.flatMap((logit) => [logit, logit])));
      }),
  });
  const answers = await span.answer(model, questions, encoder);
  expect(answers.map(({ text }) => text)).toEqual(["a3", "b3", "c3"]);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
});
