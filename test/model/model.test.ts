import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.js";
import type { Executor } from "../../src/model/executor.js";
import { openObservingExecutor } from "../../src/model/executors/observing.js";
import { openOps } from "../../src/model/ops.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import reference from "../fixtures/tiny-reference.json" with { type: "json" };
import { furthestApart } from "./furthest-apart.js";
import { bits, generatedSource, openGenerated, type Shapes } from "./generated-checkpoint.js";
import { llamaVariants } from "./llama-variants.js";

const ops = openOps({ threads: 2 });
afterAll(() => ops.close());

function argmax(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

describe("the bundled model (Qwen3, BF16, tied head)", async () => {
  const checkpoint = await openCheckpoint("models/tiny");
  afterAll(() => checkpoint.close());
  const model = openGenerated(checkpoint.config, checkpoint, ops);

  test("logits of a prompt are those of an independent implementation", async () => {
    const logits = await model.logits(Int32Array.from(reference.tokenIds));
    const rows = reference.tokenIds.map((_, t) => rowsOf(logits, t, t + 1).data);
    const first = rows[rows.length - 1].slice(0, reference.firstLogitsOfLastPosition.length);
    expect(furthestApart(first, reference.firstLogitsOfLastPosition)).toBeLessThan(1e-3);
    expect(rows.map(argmax)).toEqual(reference.argmaxPerPosition);
    const norms = rows.map((row) => Math.hypot(...row));
    expect(furthestApart(norms, reference.logitsL2PerPosition)).toBeLessThan(2e-3);
  });

  test("its greedy continuation is that of an independent implementation", async () => {
    const tokens = [...reference.tokenIds];
    for (const _ of reference.greedyTokenIds) {
      const logits = await model.logits(Int32Array.from(tokens));
      tokens.push(argmax(rowsOf(logits, logits.rows - 1, logits.rows).data));
    }
    expect(tokens.slice(reference.tokenIds.length)).toEqual(reference.greedyTokenIds);
  });
});

const { config, tensors } = llamaVariants["llama, biases everywhere"];
const randomTokens = (count: number, seed: number, vocabulary = 40) =>
  Int32Array.from({ length: count }, (_, i) => bits(seed, i) % vocabulary);

/** Log-softmax of each token's row at the token after it, in float64. */
function scoresFrom(logits: Matrix, tokens: Int32Array): number[] {
  return Array.from(tokens.subarray(1), (target, t) => {
    const row = rowsOf(logits, t, t + 1).data;
    const most = row.reduce((a, b) => Math.max(a, b));
    return row[target] - most - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
  });
}

describe("score", () => {
  const model = openGenerated(config, generatedSource(tensors), ops);

  test("gives the log-softmax of the logits at the next token, for windows of any lengths", async () => {
    const windows = [5, 5, 9, 2, 5, 30].map((length, i) => randomTokens(length, i));
    const scores = await model.score(windows);
    expect(scores.map((score) => score.length)).toEqual([4, 4, 8, 1, 4, 29]);
    for (const [i, window] of windows.entries()) {
      const expected = scoresFrom(await model.logits(window), window);
      expect(furthestApart(scores[i], expected)).toBeLessThan(1e-5);
    }
  });

  test("does not depend on the windows beside a window", async () => {
    const windows = Array.from({ length: 3 }, (_, i) => randomTokens(12, i));
    const together = await model.score(windows);
    const alone = await model.score([windows[1]]);
    expect(furthestApart(together[1], alone[0])).toBeLessThan(1e-6);
  });

  test("of no windows is nothing", async () => {
    expect(await model.score([])).toEqual([]);
  });

  test("refuses a token outside the vocabulary", async () => {
    await expect(model.score([Int32Array.of(1, 40)])).rejects.toThrow("token id 40 is outside");
  });
});

describe("streaming", () => {
  const windows = Array.from({ length: 100 }, (_, i) => randomTokens(64, i)); // four batches

  function noting(entered: string[]) {
    return (inner: Executor): Executor => ({
      async enter(linears) {
        const blocks = new Set(linears.map((name) => name.split(".").slice(0, 3).join(".")));
        entered.push([...blocks].join(" ") || "none");
        await inner.enter(linears);
      },
      run: (linears, input) => inner.run(linears, input),
    });
  }

  test("enters every block once for all batches and lets the last one go before the head", async () => {
    const entered: string[] = [];
    const model = openGenerated(config, generatedSource(tensors), ops, { wrap: noting(entered) });
    await model.score(windows);
    expect(entered).toEqual(["model.layers.0", "model.layers.1", "none"]);
  });

  test("without a head shows an observer the same inputs", async () => {
    const seen: [string, Matrix][][] = [];
    for (const method of ["score", "run"] as const) {
      const inputs: [string, Matrix][] = [];
      const wrap = (inner: Executor) =>
        openObservingExecutor(inner, (linears, input) => void inputs.push([linears.join(), input]));
      const steps: string[] = [];
      const model = openGenerated(config, generatedSource(tensors), ops, { wrap });
      await model[method](windows.slice(0, 40), (done, total) => steps.push(`${done}/${total}`));
      seen.push(inputs);
      expect(steps).toEqual(method === "run" ? ["1/2", "2/2"] : ["1/3", "2/3", "3/3"]);
    }
    expect(seen[1]).toHaveLength(2 * 4 * 2); // batches, inputs of a block, blocks
    expect(seen[1]).toEqual(seen[0]);
  });

  test("makes several passes when the activations exceed the limit, with the same scores", async () => {
    const entered: string[] = [];
    const whole = await openGenerated(config, generatedSource(tensors), ops).score(windows);
    const model = openGenerated(config, generatedSource(tensors), ops, {
      wrap: noting(entered),
      activationBytes: 2 * 2048 * 32 * 4, // hidden states of two batches
    });
    const steps: string[] = [];
    const parts = await model.score(windows, (done, total) => steps.push(`${done}/${total}`));
    expect(entered.filter((blocks) => blocks === "model.layers.0")).toHaveLength(2);
    expect(parts).toEqual(whole);
    expect(steps).toEqual(["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
  });

  test("a limit below one batch still makes progress, a batch a pass", async () => {
    const entered: string[] = [];
    const model = openGenerated(config, generatedSource(tensors), ops, {
      wrap: noting(entered),
      activationBytes: 1,
    });
    expect(await model.score(windows)).toHaveLength(100);
    expect(entered.filter((blocks) => blocks === "model.layers.1")).toHaveLength(4);
  });
});

describe("a head of 20,000 rows", () => {
  const vocabulary = 20_000;
  const wide = { ...config, vocab_size: vocabulary };
  const shapes: Shapes = {
    ...tensors,
    "model.embed_tokens.weight": [vocabulary, 32],
    "lm_head.weight": [vocabulary, 32],
  };
  const windows = [randomTokens(2048, 3, vocabulary)]; // 41 million logits: three parts of the vocabulary
  const longer = { ...wide, max_position_embeddings: 2048 };

  test("is read in parts, the same scores as from all logits of a token at once", async () => {
    const reads: string[] = [];
    const model = openGenerated(longer, generatedSource(shapes, reads), ops);
    const [scores] = await model.score(windows);
    const head = reads.filter((read) => read.startsWith("lm_head"));
    expect(head).toEqual([
      "lm_head.weight 0-8192",
      "lm_head.weight 8192-16384",
      "lm_head.weight 16384-20000",
    ]);
    const start = windows[0].subarray(0, 40);
    const expected = scoresFrom(await model.logits(start), start);
    expect(furthestApart(scores.subarray(0, 39), expected)).toBeLessThan(2e-5);
  });

  test("is computed by the executor when that has it, for parts of the tokens", async () => {
    const tokensOfRuns: number[] = [];
    const model = openGenerated(longer, generatedSource(shapes), ops, {
      headInExecutor: true,
      wrap: (inner) => ({
        enter: (linears) => inner.enter(linears),
        run(linears, input) {
          if (linears.includes("lm_head")) tokensOfRuns.push(input.rows);
          return inner.run(linears, input);
        },
      }),
    });
    const [scores] = await model.score(windows);
    expect(tokensOfRuns).toEqual([838, 838, 372]);
    const [expected] = await openGenerated(longer, generatedSource(shapes), ops).score(windows);
    expect(furthestApart(scores, expected)).toBeLessThan(2e-5);
  });
});
