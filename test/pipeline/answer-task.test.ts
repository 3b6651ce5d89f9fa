import { expect, test } from "vitest";
import type { Tokenizer } from "../../src/checkpoint/tokenizer.js";
import { LuthierError } from "../../src/error.js";
import type { Answer, Question } from "../../src/evaluation/question.js";
import type { Example } from "../../src/evaluation/task.js";
import type { Model, TextInput } from "../../src/model/model.js";
import {
  type AnswerOptions,
  answerTask,
  encoderOf,
  prepareQuestions,
} from "../../src/pipeline/answer-task.js";
import type { KeptAnswers } from "../../src/pipeline/kept-answers.js";
import { matrix } from "../../src/tensor/matrix.js";
import { characterEncoder, noSpecialTokens } from "../evaluation/asking/encoders.js";

const { encode, decode } = characterEncoder();
const tokenizer: Tokenizer = { encode, decode, special: noSpecialTokens, vocabularySize: 2000 };

/** A classifier of contexts up to 10,000 tokens, that answers with the length; `asked` gathers what it is given at a time. */
function modelOf(asked: number[][] = []): Model {
  return {
    description: { contextLength: 10_000 },
    async readout(inputs: readonly TextInput[], onProgress: (done: number, total: number) => void) {
      asked.push(inputs.map(({ tokens }) => tokens.length));
      onProgress(1, 2);
      onProgress(2, 2);
      return inputs.map(({ tokens }) => matrix(1, 1, Float32Array.of(tokens.length)));
    },
  } as unknown as Model;
}

function examplesOf(lengths: readonly number[]): readonly Example[] {
  return lengths.map((length) => ({
    question: { kind: "classes", texts: ["x".repeat(length)] },
    gold: { kind: "number", number: length },
  }));
}

function keptOf(entries: readonly (readonly [number, Answer])[], appended: number[][] = []): KeptAnswers {
  return {
    answers: new Map(entries),
    append: async (more) => void appended.push(more.map(([at]) => at)),
    close: async () => {},
  };
}

async function answer(options: Partial<AnswerOptions> & Pick<AnswerOptions, "examples">) {
  const { model = modelOf(), examples } = options;
  const encoder = encoderOf(model, tokenizer);
  const prepared = prepareQuestions(examples, encoder);
  return answerTask({ model, encoder, prepared, kept: null, onProgress: () => {}, ...options });
}

const logitOf = ({ answer: { kind, ...rest } }: { answer: Answer }) => ({ kind, ...rest });
const lengths = [7000, 20, 9000, 10, 30, 8000, 10_500];

test("questions are asked in portions of 16,384 tokens, the short ones first; answers come in the examples' order", async () => {
  const asked: number[][] = [];
  const appended: number[][] = [];
  const { answered, tokens, truncated } = await answer({
    ...{ model: modelOf(asked), examples: examplesOf(lengths), kept: keptOf([], appended) },
  });
  expect(asked).toEqual([[10, 20, 30, 7000, 8000], [9000], [10_000]]);
  expect(appended).toEqual([[3, 1, 4, 0, 5], [2], [6]]);
  expect(answered.map(logitOf)).toEqual(
    lengths.map((length) => ({ kind: "classes", logits: [Math.min(length, 10_000)] })),
  );
  expect(answered.map(({ gold }) => gold)).toEqual(lengths.map((number) => ({ kind: "number", number })));
  expect(tokens).toBe(10 + 20 + 30 + 7000 + 8000 + 9000 + 10_000);
  expect(truncated).toBe(1);
});

test("a portion whose answers are all kept is not asked again; one that lacks some is asked whole", async () => {
  const asked: number[][] = [];
  const kept = (at: number): [number, Answer] => [at, { kind: "classes", logits: [-at] }];
  const { answered, tokens } = await answer({
    ...{ model: modelOf(asked), examples: examplesOf(lengths), kept: keptOf([3, 1, 4, 0, 2].map(kept)) },
  });
  expect(asked).toEqual([[10, 20, 30, 7000, 8000], [10_000]]);
  expect(tokens).toBe(15_060 + 10_000);
  expect(answered.map(logitOf)[2]).toEqual({ kind: "classes", logits: [-2] });
  expect(answered.map(logitOf)[0]).toEqual({ kind: "classes", logits: [7000] });
});

test("where all is kept nothing is asked", async () => {
  const asked: number[][] = [];
  const kept = keptOf([0, 1].map((at) => [at, { kind: "classes", logits: [at] }]));
  const { tokens } = await answer({ model: modelOf(asked), examples: examplesOf([5, 6]), kept });
  expect(asked).toEqual([]);
  expect(tokens).toBe(0);
});

test("progress counts tokens, never back, to the end, and says how many examples are done", async () => {
  const told: [number, number, string][] = [];
  await answer({
    examples: examplesOf([8000, 9000]),
    onProgress: (done, total, what) => told.push([done, total, what]),
  });
  expect(told).toEqual([
    [0, 17_000, "0 of 2 examples"],
    [4000, 17_000, "0 of 2 examples"],
    [8000, 17_000, "1 of 2 examples"],
    [12_500, 17_000, "1 of 2 examples"],
    [17_000, 17_000, "2 of 2 examples"],
  ]);
});

test("a question that cannot be asked is an error that names its example, before any is", async () => {
  const empty: Question = { kind: "choices", choices: [{ context: "a", continuation: "" }] };
  const asked: number[][] = [];
  const examples = [...examplesOf([1]), { question: empty, gold: { kind: "index" as const, index: 0 } }];
  const refused = answer({ model: modelOf(asked), examples });
  await expect(refused).rejects.toThrow(LuthierError);
  await expect(refused).rejects.toThrow('example 2: the continuation "" has no token of its own');
  expect(asked).toEqual([]);
});
