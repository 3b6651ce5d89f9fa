import fc from "fast-check";
import { expect, test } from "vitest";
import { perplexity } from "../../src/evaluation/perplexity.js";
import type { Model } from "../../src/model/model.js";

/** A model that gives each token a log-probability by rule and notes the windows that it was asked about. */
function modelOf(logProbability: (token: number) => number, seen: number[][] = []): Model {
  return {
    description: {
      modelType: "none",
      kind: "causal",
      readout: null,
      blocks: [],
      head: {
        name: "lm_head",
        rows: 0,
        columns: 0,
        tensor: "",
        bias: null,
        norm: null,
        headNorm: null,
        rotaryHeadSize: null,
        attention: null,
      },
      embedding: "",
      hiddenSize: 1,
      feedForwardSize: 0,
      vocabularySize: 100,
      contextLength: 64,
      floatTensors: [],
      channels: [],
      scalable: [],
    },
    async score(windows) {
      seen.push(...windows.map((window) => [...window]));
      return windows.map((window) => Float32Array.from(window.subarray(1), logProbability));
    },
    continuations: () => Promise.reject(new Error("perplexity needs scores")),
    next: () => Promise.reject(new Error("perplexity needs scores")),
    readout: () => Promise.reject(new Error("perplexity needs scores")),
    run: () => Promise.reject(new Error("perplexity needs scores")),
    beforeHead: () => Promise.reject(new Error("perplexity needs scores")),
    logits: () => Promise.reject(new Error("perplexity needs no logits")),
  };
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
  expect(found).toEqual({
    perplexity: Math.exp(4),
    negativeLogLikelihood: (1 + 2 + 3 + 5 + 6 + 7) / 6,
    predictions: 6,
    tokens: 11,
    windows: 2,
    context: 4,
    stride: 4,
  });
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
