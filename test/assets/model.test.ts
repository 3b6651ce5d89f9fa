import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.js";
import { readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { perplexities } from "../../src/evaluation/perplexity.js";
import { openKernels } from "../../src/kernels/open.js";
import { openFloatExecutor } from "../../src/model/executors/float.js";
import { describeModel, type Model, openModel } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import { rowsOf } from "../../src/tensor/matrix.js";
import { assets } from "./assets.js";

/* Expected values: each asset's reference.json, from an independent PyTorch implementation. */

const kernels = openKernels();
const ops = openOps({ threads: kernels.threads });
afterAll(() => ops.close());

async function open(name: string) {
  const directory = assets(name);
  const checkpoint = await openCheckpoint(directory);
  const description = describeModel(checkpoint.config, (name) => checkpoint.tensors.get(name)?.shape);
  const executor = openFloatExecutor(
    description.blocks.flat(),
    {
      weight: async (linear) => ({
        weight: await readMatrix(checkpoint, linear.tensor, kernels),
        keptOfInput: null,
      }),
      bias: async (linear) => (linear.bias ? readVector(checkpoint, linear.bias, kernels) : null),
      activation: () => ({ scheme: "float" }),
    },
    ops,
    kernels,
  );
  const { config } = checkpoint;
  const model = openModel({
    config,
    description,
    source: checkpoint,
    executor,
    headInExecutor: false,
    ops,
    kernels,
  });
  const reference = JSON.parse(await readFile(path.join(directory, "reference.json"), "utf8"));
  return { model, tokenizer: await openTokenizer(directory), reference };
}

async function greedy(model: Model, prompt: readonly number[], count: number): Promise<number[]> {
  const tokens = [...prompt];
  while (tokens.length < prompt.length + count) {
    const logits = await model.logits(Int32Array.from(tokens));
    tokens.push(argmax(rowsOf(logits, logits.rows - 1, logits.rows).data));
  }
  return tokens.slice(prompt.length);
}

function argmax(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

describe("luthier-tiny (Qwen3, BF16, tied head)", async () => {
  const { model, tokenizer, reference } = await open("luthier-tiny");

  test("logits of the prompt are within 1e-3", async () => {
    const { text, tokenIds, lastLogits, logitsL2PerPosition, argmaxPerPosition } = reference.prompt;
    expect([...tokenizer.encode(text)]).toEqual(tokenIds);
    const logits = await model.logits(Int32Array.from(tokenIds));
    const last = rowsOf(logits, logits.rows - 1, logits.rows).data;
    expect(
      Math.max(...lastLogits.map((expected: number, i: number) => Math.abs(last[i] - expected))),
    ).toBeLessThan(1e-3);
    for (let t = 0; t < tokenIds.length; t++) {
      const row = rowsOf(logits, t, t + 1).data;
      expect(argmax(row)).toBe(argmaxPerPosition[t]);
      expect(Math.hypot(...row)).toBeCloseTo(logitsL2PerPosition[t], 2);
    }
  });

  test("greedy continuation is the same for 60 tokens", async () => {
    expect(await greedy(model, reference.prompt.tokenIds, 60)).toEqual(reference.greedy.tokenIds);
  });

  test("perplexity of heldout.txt is within 0.1 %", async () => {
    const expected = reference["heldout.txt"];
    const tokens = tokenizer.encode(await readFile(assets("luthier-tiny/heldout.txt"), "utf8"));
    const [found] = await perplexities(
      [model],
      { tokens, words: 1, bytes: 1 },
      { context: expected.context },
    );
    expect(found).toMatchObject({
      tokens: expected.tokens,
      windows: expected.windows,
      predictions: expected.predictions,
    });
    expect(Math.abs(found.perplexity / expected.perplexity - 1)).toBeLessThan(1e-3);
  });

  test("perplexity of WikiText-2's first 65,536 tokens is within 0.1 %", async () => {
    const expected = reference["wikitext-2-raw test, first 65536 tokens"];
    const text = await readFile(assets("data/wikitext-2-raw/test.txt"), "utf8");
    const tokens = tokenizer.encode(text).slice(0, 65536);
    const [found] = await perplexities(
      [model],
      { tokens, words: 1, bytes: 1 },
      { context: expected.context },
    );
    expect(found.predictions).toBe(expected.predictions);
    expect(Math.abs(found.perplexity / expected.perplexity - 1)).toBeLessThan(1e-3);
  });
});

describe("stories260K (Llama, F32, heads of 8)", async () => {
  const { model, tokenizer, reference } = await open("stories260K");

  test("greedy continuation is the published one", async () => {
    expect(await greedy(model, reference.greedy.from, 60)).toEqual(reference.greedy.tokenIds);
  });

  test("perplexity of tinystories.txt is within 0.1 %", async () => {
    const expected = reference["tinystories.txt"];
    const tokens = tokenizer.encode(await readFile(assets("data/tinystories/tinystories.txt"), "utf8"));
    const [found] = await perplexities(
      [model],
      { tokens, words: 1, bytes: 1 },
      { context: expected.context },
    );
    expect(found).toMatchObject({ tokens: expected.tokens, predictions: expected.predictions });
    expect(Math.abs(found.perplexity / expected.perplexity - 1)).toBeLessThan(1e-3);
  });
});
