import fc from "fast-check";
import { expect, test } from "vitest";
import { openTokenizer } from "../../../src/checkpoint/tokenizer.js";
import type { Encoder } from "../../../src/evaluation/asking/asking.js";
import { choices, continuationInput } from "../../../src/evaluation/asking/choices.js";
import type { ContinuationInput } from "../../../src/model/continuations.js";
import { characterEncoder, modelWith, noSpecialTokens } from "./encoders.js";

const tokenizer = await openTokenizer("models/tiny");

/**
 * TemplateLM.loglikelihood and _encode_pair of lm-evaluation-harness (lm_eval/api/model.py), and what
 * HFLM._loglikelihood_tokens computes of them (lm_eval/models/huggingface.py): input tokens, and those that are scored.
 */
function asHarness(context: string, continuation: string, { encode, special, contextLength }: Encoder) {
  let [before, after] = [context, continuation];
  let [seen, scored]: number[][] = [[special.prefix ?? Number.NaN], [...encode(after)]];
  if (context !== "") {
    const blanks = before.length - before.trimEnd().length;
    if (blanks > 0) [before, after] = [before.slice(0, -blanks), before.slice(-blanks) + after];
    seen = [...encode(before)];
    scored = [...encode(before + after)].slice(seen.length);
  }
  return { input: [...seen, ...scored].slice(-(contextLength + 1)).slice(0, -1), scored };
}

const words = fc.array(fc.constantFrom("the", "old", " ", "  ", "man", ",", "\n", "Ünder", "x", "'s", "😀"), {
  maxLength: 12,
});
const text = words.map((each) => each.join(""));

test("a context and its continuation are the tokens of lm-evaluation-harness", () => {
  const encoder = (contextLength: number) => ({ ...tokenizer, contextLength });
  fc.assert(
    fc.property(text, text, fc.integer({ min: 30, max: 80 }), (context, continuation, contextLength) => {
      const expected = asHarness(context, continuation, encoder(contextLength));
      // There it asserts that both are some tokens.
      fc.pre(expected.scored.length > 0 && (context === "" || context.trimEnd() !== ""));
      const { input } = continuationInput(context, continuation, encoder(contextLength));
      expect([...input.tokens.slice(0, -1)]).toEqual(expected.input);
      expect([...input.tokens.slice(-input.scored)]).toEqual(expected.scored.slice(-input.scored));
      expect(input.scored).toBe(Math.min(expected.scored.length, contextLength));
    }),
    { numRuns: 500 },
  );
});

test("blanks at a context's end belong to the continuation", () => {
  const { input } = continuationInput("ab ", "c", characterEncoder());
  expect([...input.tokens]).toEqual([1097, 1098, 1032, 1099]);
  expect(input.scored).toBe(2);
});

test.each(["", " ", " \n"])("after the context %j comes the token that begins texts", (context) => {
  const { input } = continuationInput(context, "b", characterEncoder());
  expect([...input.tokens]).toEqual([1, ...characterEncoder().encode(`${context}b`)]);
  expect(input.scored).toBe(context.length + 1);
});

test("where the tokenizer puts tokens before texts, those begin every one, and no prefix besides", () => {
  const special = { ...noSpecialTokens, around: { before: [7], after: [8] } };
  const of = (context: string) => [
    ...continuationInput(context, "b", characterEncoder({ special })).input.tokens,
  ];
  expect(of("a")).toEqual([7, 1097, 1098]);
  expect(of("")).toEqual([7, 1098]);
});

test("of a text longer than the model's context the end is kept: the last token is not computed", () => {
  const fitting = continuationInput("abc", "de", characterEncoder({ contextLength: 4 }));
  expect(fitting).toEqual({ input: { tokens: tokensOf("abcde"), scored: 2 }, isCut: false });
  const cut = continuationInput("abc", "de", characterEncoder({ contextLength: 3 }));
  expect(cut).toEqual({ input: { tokens: tokensOf("bcde"), scored: 2 }, isCut: true });
  const hard = continuationInput("abc", "de", characterEncoder({ contextLength: 1 }));
  expect(hard).toEqual({ input: { tokens: tokensOf("de"), scored: 1 }, isCut: true });
});

function tokensOf(text: string): Int32Array {
  return characterEncoder().encode(text);
}

test("a continuation without a token is refused, and a beginning where the tokenizer has no token for it", () => {
  expect(() => continuationInput("ab", "", characterEncoder())).toThrow("has no token of its own");
  const special = { ...noSpecialTokens, prefix: null };
  expect(() => continuationInput("", "b", characterEncoder({ special }))).toThrow("neither a token");
  expect(() => continuationInput("a", "b", characterEncoder({ special }))).not.toThrow();
});

test("a question says what it costs, and whether it was cut", () => {
  const question = {
    kind: "choices" as const,
    choices: [
      { context: "a", continuation: "bc" },
      { context: "a", continuation: "bcdef" },
    ],
  };
  expect(choices.prepare(question, characterEncoder())).toMatchObject({
    tokens: 2 + 5,
    longest: 5,
    isCut: false,
  });
  expect(choices.prepare(question, characterEncoder({ contextLength: 4 })).isCut).toBe(true);
});

test("answers come by question and choice, in their order", async () => {
  const question = (...continuations: string[]) =>
    choices.prepare(
      {
        kind: "choices",
        choices: continuations.map((continuation) => ({ context: "a", continuation })),
      },
      characterEncoder(),
    );
  const model = modelWith({
    continuations: async (inputs: readonly ContinuationInput[]) =>
      inputs.map(({ tokens }) => ({
        logLikelihood: -tokens[tokens.length - 1],
        isGreedy: tokens.length === 2,
      })),
  });
  const found = await choices.answer(
    model,
    [question("b", "cd"), question("e", "f", "gh")],
    characterEncoder(),
  );
  expect(found).toEqual([
    { kind: "choices", logLikelihoods: [-1098, -1100], greedy: [true, false] },
    { kind: "choices", logLikelihoods: [-1101, -1102, -1104], greedy: [true, true, false] },
  ]);
});
