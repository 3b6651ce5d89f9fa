import { expect, test } from "vitest";
import { rollingWindows, text } from "../../../src/evaluation/asking/text.js";
import type { ContinuationInput } from "../../../src/model/continuations.js";
import { characterEncoder, modelWith, noSpecialTokens } from "./encoders.js";

type Pair = readonly [context: readonly number[], predicted: readonly number[]];

/** get_rolling_token_windows of lm-evaluation-harness (lm_eval/utils.py) with a context of 1. */
function* harnessWindows(tokens: readonly number[], prefix: number, longest: number): Generator<Pair> {
  if (tokens.length === 0) return;
  const first = Math.min(longest, tokens.length);
  yield [[prefix, ...tokens.slice(0, first - 1)], tokens.slice(0, first)];
  for (let predicted = first; predicted < tokens.length; ) {
    const count = Math.min(tokens.length - predicted, longest);
    const end = predicted + count;
    yield [tokens.slice(end - longest - 1, end - 1), tokens.slice(end - count, end)];
    predicted += count;
  }
}

/** Its make_disjoint_window. */
function disjoint([context, predicted]: Pair): Pair {
  return [context.slice(0, context.length - (predicted.length - 1)), predicted];
}

test("windows are those of lm-evaluation-harness, for every length and context", () => {
  for (let length = 0; length <= 40; length++) {
    for (let context = 1; context <= 15; context++) {
      const tokens = Int32Array.from({ length }, (_, i) => i + 10);
      const found = rollingWindows(tokens, 1, context).map((window): Pair => {
        const border = window.tokens.length - window.scored;
        return [[...window.tokens.slice(0, border)], [...window.tokens.slice(border)]];
      });
      expect(found).toEqual([...harnessWindows([...tokens], 1, context)].map(disjoint));
    }
  }
});

test("every token is predicted once, and none sees more than the context", () => {
  const tokens = Int32Array.from({ length: 100 }, (_, i) => i);
  const windows = rollingWindows(tokens, -1, 7);
  const predicted = windows.flatMap((window) => [...window.tokens.slice(-window.scored)]);
  expect(predicted).toEqual([...tokens]);
  for (const window of windows) expect(window.tokens.length - 1).toBeLessThanOrEqual(7);
});

const model = modelWith({
  continuations: async (inputs: readonly ContinuationInput[]) =>
    inputs.map(({ tokens, scored }) => ({
      logLikelihood: -tokens.slice(-scored).reduce((sum, token) => sum + token - 1000, 0),
      isGreedy: false,
    })),
});

test("a text's likelihood is that of all its windows, each text by itself", async () => {
  const encoder = characterEncoder({ contextLength: 3 });
  const texts = ["abcdefgh", "", "é"];
  const prepared = texts.map((each) => text.prepare({ kind: "text", text: each }, encoder));
  expect(prepared.map(({ tokens, longest }) => [tokens, longest])).toEqual([
    [9, 3], // windows of 3, 3 and, with two left to predict, again 3
    [0, 0],
    [1, 1],
  ]);
  expect(await text.answer(model, prepared, encoder)).toEqual([
    { kind: "text", logLikelihood: -(97 + 98 + 99 + 100 + 101 + 102 + 103 + 104), tokens: 8 },
    { kind: "text", logLikelihood: 0, tokens: 0 },
    { kind: "text", logLikelihood: -233, tokens: 1 },
  ]);
});

test("a tokenizer without a token that could stand before is refused", () => {
  const special = { ...noSpecialTokens, prefix: null };
  const asked = () => text.prepare({ kind: "text", text: "a" }, characterEncoder({ special }));
  expect(asked).toThrow("neither a token that begins texts");
});
