import { expect, test } from "vitest";
import { generation } from "../../../src/evaluation/asking/generation.js";
import type { GenerationQuestion } from "../../../src/evaluation/question.js";
import type { ContinuationInput } from "../../../src/model/continuations.js";
import { characterEncoder, modelWith, noSpecialTokens } from "./encoders.js";

const end = 2;

/** A model that says these texts after these contexts, `$` standing for the token that ends texts. */
function sayer(said: Readonly<Record<string, string>>, seen: string[][] = []) {
  const { decode } = characterEncoder();
  return modelWith({
    async next(windows: readonly Int32Array[]) {
      seen.push(windows.map((window) => decode(window)));
      return windows.map((window) => {
        const text = decode(window);
        const context = Object.keys(said).find((each) => text.startsWith(each));
        const character = said[context ?? ""]?.[text.length - (context ?? "").length] ?? "?";
        return character === "$" ? end : 1000 + character.charCodeAt(0);
      });
    },
    continuations: async (inputs: readonly ContinuationInput[]) =>
      inputs.map(({ scored }) => ({ logLikelihood: -scored, isGreedy: false })),
  });
}

async function generated(
  said: Readonly<Record<string, string>>,
  questions: readonly Partial<GenerationQuestion>[],
  encoder = characterEncoder(),
  seen: string[][] = [],
): Promise<readonly string[]> {
  const prepared = questions.map((question) =>
    generation.prepare(
      { kind: "generation", context: "Q:", stops: [], mostTokens: 8, alternative: null, ...question },
      encoder,
    ),
  );
  const answers = await generation.answer(sayer(said, seen), prepared, encoder);
  return answers.map(({ text }) => text);
}

test("what is said goes up to the first of the stops, wherever its characters were split into tokens", async () => {
  expect(await generated({ "Q:": "one\n\ntwo." }, [{ stops: ["\n\n"] }])).toEqual(["one"]);
  expect(await generated({ "Q:": "a.b\nc" }, [{ stops: ["\n", "."] }])).toEqual(["a"]);
  expect(await generated({ "Q:": "\nabc" }, [{ stops: ["\n"] }])).toEqual([""]);
});

test("the token that ends texts ends it, and is no part of it", async () => {
  expect(await generated({ "Q:": "one$two" }, [{ stops: ["."] }])).toEqual(["one"]);
  expect(await generated({ "Q:": "$two" }, [{}])).toEqual([""]);
});

test("it goes on for so many tokens at most", async () => {
  expect(await generated({ "Q:": "0123456789abc" }, [{ mostTokens: 8 }])).toEqual(["01234567"]);
});

test("an empty stop stops nothing", async () => {
  expect(await generated({ "Q:": "abc.d" }, [{ stops: ["", "."] }])).toEqual(["abc"]);
});

test("questions go on side by side, those that are done left out, windows of a length next to each other", async () => {
  const seen: string[][] = [];
  const said = { "A:": "x.", "LONG:": "yyy.", "B:": "zz." };
  const questions = ["A:", "LONG:", "B:"].map((context) => ({ context, stops: ["."] }));
  expect(await generated(said, questions, characterEncoder(), seen)).toEqual(["x", "yyy", "zz"]);
  expect(seen).toEqual([["A:", "B:", "LONG:"], ["A:x", "B:z", "LONG:y"], ["B:zz", "LONG:yy"], ["LONG:yyy"]]);
});

test("of a long context the end is kept, with room for what is generated", async () => {
  const seen: string[][] = [];
  const encoder = characterEncoder({ contextLength: 6 });
  expect(await generated({ ef: "gh" }, [{ context: "abcdef", mostTokens: 4 }], encoder, seen)).toEqual([
    "gh??",
  ]);
  expect(seen.map(([window]) => window)).toEqual(["ef", "efg", "efgh", "efgh?"]);
});

test("no window is longer than the model's context, however much is asked for", async () => {
  const seen: string[][] = [];
  const encoder = characterEncoder({ contextLength: 3 });
  await generated({ c: "0123456789" }, [{ context: "abc", mostTokens: 10 }], encoder, seen);
  expect(seen.map(([window]) => window.length)).toEqual([1, 2, 3]);
});

test("a question counts its context and what is generated at most", () => {
  const question = { kind: "generation", context: "abcd", stops: [], mostTokens: 3 } as const;
  const encoder = characterEncoder({ contextLength: 6 });
  expect(generation.prepare({ ...question, alternative: null }, encoder)).toMatchObject({
    tokens: 3 + 3,
    longest: 3,
    isCut: true,
  });
});

test("without a context it begins with the token that begins texts", async () => {
  const prepared = generation.prepare(
    { kind: "generation", context: "", stops: [], mostTokens: 1, alternative: null },
    characterEncoder(),
  );
  expect(prepared).toMatchObject({ context: Int32Array.of(1), isCut: false });
  const special = { ...noSpecialTokens, around: { before: [7], after: [] } };
  const begun = generation.prepare(
    { kind: "generation", context: "a", stops: [], mostTokens: 1, alternative: null },
    characterEncoder({ special }),
  );
  expect(begun).toMatchObject({ context: Int32Array.of(7, 1097) });
});

test("an alternative is scored beside it, of those questions that have one", async () => {
  const encoder = characterEncoder();
  const prepared = [null, "no", " answer"].map((alternative) =>
    generation.prepare(
      { kind: "generation", context: "Q:", stops: ["."], mostTokens: 4, alternative },
      encoder,
    ),
  );
  const answers = await generation.answer(sayer({ "Q:": "yes." }), prepared, encoder);
  expect(answers).toEqual([
    { kind: "generation", text: "yes", alternativeLogLikelihood: null },
    { kind: "generation", text: "yes", alternativeLogLikelihood: -2 },
    { kind: "generation", text: "yes", alternativeLogLikelihood: -7 },
  ]);
});
