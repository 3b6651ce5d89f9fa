import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type ContinuationInput, sharedWindows } from "../../src/model/continuations.js";
import type { Executor } from "../../src/model/executor.js";
import type { Model } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import type { ModelParts } from "../../src/model/parts.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import { furthestApart } from "./furthest-apart.js";
import { bits, generatedSource, openGenerated, type Shapes } from "./generated-checkpoint.js";
import { llamaVariants } from "./llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const { config, tensors } = llamaVariants["llama, biases everywhere"];

type Changes = Partial<ModelParts> & { readonly wrap?: (executor: Executor) => Executor };

const open = (changes: Changes = {}) => openGenerated(config, generatedSource(tensors), ops, changes);

const randomTokens = (length: number, seed: number, vocabulary = 40) =>
  Int32Array.from({ length }, (_, i) => bits(seed, i) % vocabulary);

/** Texts of random lengths, of which random numbers of tokens are scored. */
function randomInputs(count: number, seed: number): readonly ContinuationInput[] {
  return Array.from({ length: count }, (_, i) => {
    const length = 2 + (bits(seed, 2 * i) % 20);
    return { tokens: randomTokens(length, seed + i), scored: 1 + (bits(seed, 2 * i + 1) % (length - 1)) };
  });
}

/** By the definition, from the logits of the whole text. */
async function byDefinition(model: Model, { tokens, scored }: ContinuationInput) {
  const logits = await model.logits(tokens.slice(0, -1));
  let logLikelihood = 0;
  let isGreedy = true;
  for (let at = tokens.length - scored; at < tokens.length; at++) {
    const row = [...rowsOf(logits, at - 1, at).data];
    const most = Math.max(...row);
    const logSum = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
    logLikelihood += row[tokens[at]] - most - logSum;
    isGreedy &&= row.indexOf(most) === tokens[at];
  }
  return { logLikelihood, isGreedy };
}

/** The first texts that greedy decoding gives after some tokens, so that some continuations are greedy. */
async function greedily(model: Model, tokens: Int32Array, count: number): Promise<Int32Array> {
  let text = tokens;
  for (let i = 0; i < count; i++) {
    const logits = await model.logits(text);
    text = Int32Array.of(...text, argmax(logits, logits.rows - 1));
  }
  return text;
}

function argmax(logits: Matrix, row: number): number {
  const values = [...rowsOf(logits, row, row + 1).data];
  return values.indexOf(Math.max(...values));
}

/** Counts the tokens that the first linear sees. */
function counting(seen: { tokens: number }) {
  return (inner: Executor): Executor => ({
    enter: (linears) => inner.enter(linears),
    run(linears, input) {
      if (linears[0].startsWith("model.layers.0.self_attn.q")) seen.tokens += input.rows;
      return inner.run(linears, input);
    },
  });
}

describe("continuations", () => {
  const model = open();

  test.each([false, true])(
    "are scored as the definition says; head in the executor: %s",
    async (headInExecutor) => {
      const greedy = await greedily(model, randomTokens(3, 1), 5);
      const inputs = [...randomInputs(25, 7), { tokens: greedy, scored: 4 }, { tokens: greedy, scored: 7 }];
      const found = await open({ headInExecutor }).continuations(inputs);
      const expected: (typeof found)[number][] = [];
      for (const input of inputs) expected.push(await byDefinition(model, input));
      const likelihoods = (of: readonly (typeof found)[number][]) =>
        of.map(({ logLikelihood }) => logLikelihood);
      expect(furthestApart(likelihoods(found), likelihoods(expected))).toBeLessThan(1e-4);
      expect(found.map(({ isGreedy }) => isGreedy)).toEqual(expected.map(({ isGreedy }) => isGreedy));
      expect(found[25].isGreedy).toBe(true);
    },
  );

  test("in several passes are the same, and told in steps", async () => {
    const inputs = randomInputs(30, 3);
    const steps: string[] = [];
    const passes = open({ activationBytes: 1 });
    const found = await passes.continuations(inputs, (done, total) => steps.push(`${done}/${total}`));
    expect(found).toEqual(await model.continuations(inputs));
    const lengths = new Set(inputs.map(({ tokens }) => tokens.length)).size;
    expect(steps).toHaveLength(lengths * 3); // a pass for each length, of two blocks and the head
    expect(steps.at(-1)).toBe(`${lengths * 3}/${lengths * 3}`);
  });

  test("of one token each share what is before them", async () => {
    const seen = { tokens: 0 };
    const context = randomTokens(9, 5);
    const inputs = [4, 8, 15].map((token) => ({ tokens: Int32Array.of(...context, token), scored: 1 }));
    const found = await open({ wrap: counting(seen) }).continuations([
      ...inputs,
      { tokens: Int32Array.of(...context, 16), scored: 3 },
    ]);
    expect(seen.tokens).toBe(9);
    const row = await model.logits(context);
    const [a, b, c] = found.map(({ logLikelihood }) => logLikelihood);
    expect(a - b).toBeCloseTo(row.data[8 * 40 + 4] - row.data[8 * 40 + 8], 4);
    expect(b - c).toBeCloseTo(row.data[8 * 40 + 8] - row.data[8 * 40 + 15], 4);
    expect(found[3].logLikelihood).toBeCloseTo(
      (await byDefinition(model, { tokens: Int32Array.of(...context, 16), scored: 3 })).logLikelihood,
      4,
    );
  });

  test("of nothing are nothing", async () => {
    expect(await model.continuations([])).toEqual([]);
    expect(await model.next([])).toEqual([]);
  });

  test("with a vocabulary in parts are the same", async () => {
    const vocabulary = 20_000;
    const wide = { ...config, vocab_size: vocabulary, max_position_embeddings: 2048 };
    const shapes: Shapes = {
      ...tensors,
      "model.embed_tokens.weight": [vocabulary, 32],
      "lm_head.weight": [vocabulary, 32],
    };
    const reads: string[] = [];
    const parted = openGenerated(wide, generatedSource(shapes, reads), ops);
    const text = randomTokens(901, 3, vocabulary);
    const scored = 890; // times 20,000 logits are more than are held at a time
    const [found] = await parted.continuations([{ tokens: text, scored }]);
    expect(reads.filter((read) => read.startsWith("lm_head"))).toHaveLength(2);
    const single = (end: number) => ({ tokens: text.slice(0, end), scored: end - 11 });
    const first = await parted.continuations([single(40)]);
    expect(first[0].logLikelihood).toBeCloseTo((await byDefinition(parted, single(40))).logLikelihood, 2);
    const scores = await parted.score([text]);
    const sum = scores[0].slice(-scored).reduce((total, each) => total + each, 0);
    expect(found.logLikelihood / sum).toBeCloseTo(1, 5);

    const windows = Array.from({ length: 1000 }, (_, i) => randomTokens(2, i, vocabulary));
    reads.length = 0;
    const next = await parted.next(windows);
    expect(reads.filter((read) => read.startsWith("lm_head"))).toHaveLength(2);
    for (const at of [0, 17, 999]) expect(next[at]).toBe(argmax(await parted.logits(windows[at]), 1));
  });
});

describe("the next token", () => {
  test.each([false, true])(
    "of each window is the most likely one after it; head in the executor: %s",
    async (headInExecutor) => {
      const model = open({ headInExecutor });
      const windows = [5, 5, 1, 9, 5, 30].map((length, i) => randomTokens(length, i));
      const expected = [];
      for (const window of windows) expected.push(argmax(await model.logits(window), window.length - 1));
      expect(await model.next(windows)).toEqual(expected);
      expect(await open({ headInExecutor, activationBytes: 1 }).next(windows)).toEqual(expected);
    },
  );
});

test("scores from before the head are the scores", async () => {
  const model = open();
  const windows = [5, 5, 9, 2].map((length, i) => randomTokens(length, i));
  expect(await model.scoreFrom(await model.beforeHead(windows), windows)).toEqual(await model.score(windows));
});

test("a causal model has no classes to read out", async () => {
  const asked = open().readout([{ tokens: Int32Array.of(1), segments: null }]);
  await expect(asked).rejects.toThrow("predicts tokens: it has no head for classes or answers");
});

test("windows that continuations share are each other's, shortest first, and every input has its own", () => {
  const token = fc.nat(2);
  const input = fc
    .array(token, { minLength: 2, maxLength: 5 })
    .map((tokens) => ({ tokens: Int32Array.from(tokens), scored: 1 }));
  fc.assert(
    fc.property(fc.array(input, { maxLength: 20 }), (inputs) => {
      const windows = sharedWindows(inputs);
      const lengths = windows.map(({ tokens }) => tokens.length);
      expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
      expect(new Set(windows.map(({ tokens }) => tokens.join())).size).toBe(windows.length);
      const found = windows.flatMap((window) => window.inputs.map((at) => [at, [...window.tokens]] as const));
      const expected = inputs.map(({ tokens }, at) => [at, [...tokens.slice(0, -1)]] as const);
      expect(found.toSorted(([a], [b]) => a - b)).toEqual(expected);
    }),
  );
});
