import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type Perplexity, type PerplexityOptions, perplexities } from "../../src/evaluation/perplexity.js";
import { plainLinear } from "../../src/model/architectures/plain-linear.js";
import type { Model } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import type { ModelParts } from "../../src/model/parts.js";

import { generatedSource, openGenerated } from "../model/generated-checkpoint.js";
import { llamaVariants } from "../model/llama-variants.js";

/** A model that gives each token a log-probability by rule and notes the windows that it was asked about. */
function modelOf(logProbability: (token: number) => number, seen: number[][] = []): Model {
  return {
    description: {
      modelType: "none",
      kind: "causal",
      readout: null,
      blocks: [],
      head: plainLinear("lm_head", 100, 1),
      embedding: "",
      hiddenSize: 1,
      feedForwardSize: 0,
      vocabularySize: 100,
      logitCap: null,
      contextLength: 64,
      floatTensors: [],
      channels: [],
      scalable: [],
    },
    score: () => Promise.reject(new Error("perplexity scores what it keeps")),
    async beforeHead() {
      return { hidden: [], parts: {} as ModelParts };
    },
    async scoreFrom(_before, windows) {
      seen.push(...windows.map((window) => [...window]));
      return windows.map((window) => Float32Array.from(window.subarray(1), logProbability));
    },
    continuations: () => Promise.reject(new Error("perplexity needs scores")),
    next: () => Promise.reject(new Error("perplexity needs scores")),
    readout: () => Promise.reject(new Error("perplexity needs scores")),
    run: () => Promise.reject(new Error("perplexity needs scores")),
    logits: () => Promise.reject(new Error("perplexity needs no logits")),
  };
}

/** Of one model, on a text of 10 words and 50 bytes. */
async function perplexity(model: Model, tokens: Int32Array, options: PerplexityOptions): Promise<Perplexity> {
  const [found] = await perplexities([model], { tokens, words: 10, bytes: 50 }, options);
  return found;
}

const count = (n: number) => Int32Array.from({ length: n }, (_, i) => i);

test("a model that finds eight tokens equally likely has perplexity 8", async () => {
  const found = await perplexity(
    modelOf(() => -Math.log(8)),
    count(10),
    { context: 5 },
  );
  expect(found.perplexity).toBeCloseTo(8, 5);
  expect(found.negativeLogLikelihood).toBeCloseTo(Math.log(8), 6);
});

test("windows do not overlap, the remainder is dropped, and a window's first token is not predicted", async () => {
  const seen: number[][] = [];
  const found = await perplexity(
    modelOf((token) => -token, seen),
    count(11),
    { context: 4 },
  );
  expect(seen).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ]);
  expect(found).toMatchObject({
    perplexity: Math.exp(4),
    negativeLogLikelihood: (1 + 2 + 3 + 5 + 6 + 7) / 6,
    predictions: 6,
    tokens: 11,
    windows: 2,
    context: 4,
    stride: 4,
    comparison: null,
  });
});

test("word and byte perplexity share the likelihood of the whole text out over its words and bytes", async () => {
  const found = await perplexity(
    modelOf(() => -2),
    count(20),
    { context: 5 },
  );
  // 20 tokens of 2 nats: 40 nats over 10 words and 50 bytes.
  expect(found.wordPerplexity).toBeCloseTo(Math.exp(4), 8);
  expect(found.bytePerplexity).toBeCloseTo(Math.exp(0.8), 8);
});

test("the standard error is the perplexity times that of the mean over windows", async () => {
  // Windows of tokens 0 … 3 and 4 … 7: means of 2 and 6 nats, so a deviation of √8 and an error of √8 / √2 = 2.
  const found = await perplexity(
    modelOf((token) => -token),
    count(8),
    { context: 4 },
  );
  expect(found.standardError).toBeCloseTo(2 * Math.exp(4), 8);
});

test("a single window has no standard error", async () => {
  const found = await perplexity(
    modelOf(() => -1),
    count(5),
    { context: 4 },
  );
  expect(found.standardError).toBeNull();
});

test("every window has the same weight per prediction, whatever the text's length", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 64 }),
      fc.integer({ min: 64, max: 500 }),
      async (context, tokens) => {
        const found = await perplexity(
          modelOf(() => -1.5),
          count(tokens),
          { context },
        );
        expect(found.windows).toBe(Math.floor(tokens / context));
        expect(found.predictions).toBe(found.windows * (context - 1));
        expect(found.negativeLogLikelihood).toBeCloseTo(1.5, 10);
      },
    ),
  );
});

test("a context beyond the model's is refused", async () => {
  await expect(
    perplexity(
      modelOf(() => -1),
      count(200),
      { context: 65 },
    ),
  ).rejects.toThrow("a context of 65 tokens exceeds the model's 64");
});

test.each([1, 0, -4, 2.5, Number.NaN])("a context of %d tokens is refused", async (context) => {
  await expect(
    perplexity(
      modelOf(() => -1),
      count(200),
      { context },
    ),
  ).rejects.toThrow("predicts nothing");
});

test("a text shorter than one window is refused", async () => {
  await expect(
    perplexity(
      modelOf(() => -1),
      count(15),
      { context: 16 },
    ),
  ).rejects.toThrow("the text has 15 tokens, fewer than one window of 16");
});

test("a log-probability that is no number is named by window and token", async () => {
  const model = modelOf((token) => (token === 6 ? Number.NaN : -1));
  await expect(perplexity(model, count(8), { context: 4 })).rejects.toThrow(
    "token 2 of window 1 a log-probability of NaN",
  );
});

describe("models side by side", async () => {
  const ops = openOps({ threads: 1 });
  afterAll(() => ops.close());
  const { config, tensors } = llamaVariants["llama, biases everywhere"];
  const source = generatedSource(tensors);
  const scaled = (factor: number) =>
    openGenerated(config, source, ops, {
      wrap: (inner) => ({
        enter: (linears) => inner.enter(linears),
        async run(linears, input) {
          const outputs = await inner.run(linears, input);
          return outputs.map((output) => ({ ...output, data: output.data.map((value) => value * factor) }));
        },
      }),
    });
  const tokens = Int32Array.from({ length: 60 }, (_, i) => (i * 17 + (i % 5)) % 40);
  const text = { tokens, words: 10, bytes: 50 };

  test("are each what they are alone, and compared with the first", async () => {
    const models = [scaled(1), scaled(0.8)];
    const [float, other] = await perplexities(models, text, { context: 8 });
    const alone = await perplexities([models[1]], text, { context: 8 });
    expect({ ...other, comparison: null }).toEqual(alone[0]);
    expect(float.comparison).toBeNull();
    expect(other.comparison?.ratio).toBeCloseTo(other.perplexity / float.perplexity, 10);
    const [low, high] = other.comparison?.interval ?? [0, 0];
    expect(low).toBeLessThan(other.comparison?.ratio ?? 0);
    expect(high).toBeGreaterThan(other.comparison?.ratio ?? 0);
    expect(other.comparison?.divergence).toBeGreaterThan(0);
  });

  test("come to the same with fewer hidden states at a time", async () => {
    const models = [scaled(1), scaled(0.8)];
    const [, whole] = await perplexities(models, text, { context: 8 });
    const [, parts] = await perplexities(models, text, { context: 8, activationBytes: 1 });
    expect(parts.perplexity).toBeCloseTo(whole.perplexity, 5);
    expect(parts.comparison?.divergence).toBeCloseTo(whole.comparison?.divergence ?? 0, 6);
    expect(parts.comparison?.agreement).toBeCloseTo(whole.comparison?.agreement ?? 0, 10);
  });
});
