import { afterAll, expect, test } from "vitest";
import { distances } from "../../src/evaluation/divergence.js";
import type { Executor } from "../../src/model/executor.js";
import type { Model } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import { bits, generatedSource, openGenerated } from "../model/generated-checkpoint.js";
import { llamaVariants } from "../model/llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const { config, tensors } = llamaVariants["llama, biases everywhere"];
const source = generatedSource(tensors);
const window = (seed: number, length: number) => Int32Array.from({ length }, (_, i) => bits(seed, i) % 40);
const windows = [window(1, 9), window(2, 9), window(3, 5)];
const float = openGenerated(config, source, ops);

/** A model whose linears give outputs that are off by a factor. */
function openScaled(factor: number, headInExecutor = false): Model {
  const wrap = (inner: Executor): Executor => ({
    enter: (linears) => inner.enter(linears),
    async run(linears, input) {
      const outputs = await inner.run(linears, input);
      return outputs.map((output) => ({ ...output, data: output.data.map((value) => value * factor) }));
    },
  });
  return openGenerated(config, source, ops, { wrap, headInExecutor });
}

/** By the definition, from whole logits: mean over positions of Σ p (log p − log q). */
async function divergenceByDefinition(model: Model): Promise<number> {
  let sum = 0;
  let positions = 0;
  for (const tokens of windows) {
    const [p, q] = [await float.logits(tokens), await model.logits(tokens)];
    for (let t = 0; t < tokens.length; t++) {
      const [logP, logQ] = [logSoftmax(p, t), logSoftmax(q, t)];
      sum += logP.reduce((total, value, id) => total + Math.exp(value) * (value - logQ[id]), 0);
      positions++;
    }
  }
  return sum / positions;
}

function logSoftmax(logits: Matrix, row: number): number[] {
  const values = [...rowsOf(logits, row, row + 1).data];
  const logSumExp = Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
  return values.map((value) => value - logSumExp);
}

test("of several models at once, each is the mean of Σ p (log p − log q) over all positions", async () => {
  const models = [openScaled(1.05), openScaled(0.7)];
  const states = await Promise.all(models.map((model) => model.beforeHead(windows)));
  const found = await distances(
    await float.beforeHead(windows),
    states.map(({ hidden }) => hidden),
    states[0].parts,
  );
  for (const [at, model] of models.entries())
    expect(found[at].divergence).toBeCloseTo(await divergenceByDefinition(model), 5);
  expect(found[1].divergence).toBeGreaterThan(found[0].divergence);
});

test.each([2 ** 14, 7])(
  "agreement is the share of positions with the same most likely token; %d ids at a time",
  async (ids) => {
    const model = openScaled(0.6);
    const { hidden, parts } = await model.beforeHead(windows);
    const [{ agreement }] = await distances(await float.beforeHead(windows), [hidden], parts, ids);
    let [same, positions] = [0, 0];
    for (const tokens of windows) {
      const [p, q] = [await float.logits(tokens), await model.logits(tokens)];
      for (let t = 0; t < tokens.length; t++, positions++) if (mostLikely(p, t) === mostLikely(q, t)) same++;
    }
    expect(same).toBeGreaterThan(0);
    expect(same).toBeLessThan(positions);
    expect(agreement).toBeCloseTo(same / positions, 12);
  },
);

function mostLikely(logits: Matrix, row: number): number {
  const values = [...rowsOf(logits, row, row + 1).data];
  return values.indexOf(Math.max(...values));
}

test.each([false, true])(
  "in parts of the vocabulary it is the same; head in the executor: %s",
  async (inExecutor) => {
    const model = openScaled(1.3, inExecutor);
    const { hidden, parts } = await model.beforeHead(windows);
    const [{ divergence: found }] = await distances(await float.beforeHead(windows), [hidden], parts, 7);
    expect(found).toBeCloseTo(await divergenceByDefinition(model), 5);
  },
);

test("a model that computes the same has none", async () => {
  const { hidden, parts } = await openGenerated(config, source, ops).beforeHead(windows);
  const [{ divergence: found }] = await distances(await float.beforeHead(windows), [hidden], parts);
  expect(Math.abs(found)).toBeLessThan(1e-9);
});
