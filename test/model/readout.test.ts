import { afterAll, describe, expect, test } from "vitest";
import type { Model, TextInput } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import type { ModelParts } from "../../src/model/parts.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import families from "../fixtures/families.json" with { type: "json" };
import { furthestApart } from "./furthest-apart.js";
import { bits, generatedSource, openGenerated, type Shapes } from "./generated-checkpoint.js";
import { llamaVariants } from "./llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

interface Variant {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Shapes;
}

const classifier = families.classification["bert, pairs"] as unknown as Variant;
const answerer = families.answering["bert, pairs"] as unknown as Variant;
const llama = llamaVariants["llama, biases everywhere"];
const { "lm_head.weight": _, ...rest } = llama.tensors;
const causalClassifier: Variant = {
  config: { ...llama.config, architectures: ["LlamaForSequenceClassification"], num_labels: 3 },
  tensors: { ...rest, "score.weight": [3, 32] },
};

function open({ config, tensors }: Variant, changes: Partial<ModelParts> = {}): Model {
  return openGenerated(config, generatedSource(tensors), ops, changes);
}

const inputs: readonly TextInput[] = [4, 4, 7, 2, 4].map((length, seed) => ({
  tokens: Int32Array.from({ length }, (_, i) => bits(seed, i) % 30),
  segments: null,
}));

/** The layers after last hidden states, `Wx + b` and an activation each, in float64. */
async function layersByDefinition(
  { tensors }: Variant,
  model: Model,
  x: ArrayLike<number>,
): Promise<number[]> {
  let values = Array.from(x);
  const source = generatedSource(tensors);
  const numbers = async (name: string) => new Float32Array((await source.read(name)).buffer);
  for (const { weight, bias, rows, columns, activation } of model.description.readout?.layers ?? []) {
    const [w, b] = [await numbers(weight), bias === null ? new Float32Array(rows) : await numbers(bias)];
    values = Array.from({ length: rows }, (_, row) => {
      const sum = values.reduce((total, value, i) => total + value * w[row * columns + i], b[row]);
      return activation === "tanh" ? Math.tanh(sum) : activation === "relu" ? Math.max(0, sum) : sum;
    });
  }
  return values;
}

async function hiddenOf(model: Model, { tokens }: TextInput): Promise<Matrix> {
  const [hidden] = (await model.beforeHead([tokens])).hidden;
  return hidden;
}

describe.each([
  ["BERT's classifier reads the first token", classifier, "first"],
  ["Llama's classifier reads the last token", causalClassifier, "last"],
] as const)("%s", (_, variant, of) => {
  const model = open(variant);

  test("of every text, through its layers", async () => {
    expect(model.description.readout?.of).toBe(of);
    const found = await model.readout(inputs);
    for (const [i, input] of inputs.entries()) {
      const hidden = await hiddenOf(model, input);
      const at = of === "first" ? 0 : hidden.rows - 1;
      const expected = await layersByDefinition(variant, model, rowsOf(hidden, at, at + 1).data);
      expect([found[i].rows, found[i].columns]).toEqual([1, expected.length]);
      expect(furthestApart(found[i].data, expected)).toBeLessThan(1e-4);
    }
  });

  test("in several passes the same", async () => {
    const steps: number[] = [];
    const found = await open(variant, { activationBytes: 1 }).readout(inputs, (done) => steps.push(done));
    expect(found.map(({ data }) => [...data])).toEqual(
      (await model.readout(inputs)).map(({ data }) => [...data]),
    );
    expect(steps).toHaveLength(4 * (model.description.blocks.length + 1)); // lengths 4, 7, 2 and again 4
  });

  test("and predicts no token", async () => {
    const refusal = "a model for classification: it predicts no next token";
    await expect(model.continuations([{ tokens: Int32Array.of(1, 2), scored: 1 }])).rejects.toThrow(refusal);
    await expect(model.next([Int32Array.of(1)])).rejects.toThrow(refusal);
    await expect(model.score([Int32Array.of(1, 2)])).rejects.toThrow(refusal);
    await expect(model.logits(Int32Array.of(1, 2))).rejects.toThrow(refusal);
  });
});

test("a model that answers questions has a start and an end logit for every token", async () => {
  const model = open(answerer);
  const found = await model.readout(inputs);
  for (const [i, input] of inputs.entries()) {
    const hidden = await hiddenOf(model, input);
    expect([found[i].rows, found[i].columns]).toEqual([input.tokens.length, 2]);
    for (let token = 0; token < hidden.rows; token++) {
      const expected = await layersByDefinition(answerer, model, rowsOf(hidden, token, token + 1).data);
      expect(furthestApart(rowsOf(found[i], token, token + 1).data, expected)).toBeLessThan(1e-4);
    }
  }
  await expect(model.next([Int32Array.of(1)])).rejects.toThrow("a model for question answering");
});

test("texts with and without a second one may stand side by side", async () => {
  const model = open(classifier);
  const pair = { ...inputs[0], segments: Int32Array.of(0, 0, 1, 1) };
  const marked = await model.readout([inputs[0], pair]);
  const [alone] = await model.readout([inputs[0]]);
  const [pairAlone] = await model.readout([pair]);
  expect(furthestApart(marked[0].data, alone.data)).toBeLessThan(1e-6);
  expect(furthestApart(marked[1].data, pairAlone.data)).toBeLessThan(1e-6);
  expect(furthestApart(alone.data, pairAlone.data)).toBeGreaterThan(1e-3);
});

test("of no texts is nothing", async () => {
  expect(await open(classifier).readout([])).toEqual([]);
});
