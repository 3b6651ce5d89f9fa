import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../../src/checkpoint/checkpoint.js";
import { type NamedTensor, writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import { linearsOf } from "../../../src/model/architecture.js";
import { describeModel } from "../../../src/model/model.js";
import { openOps } from "../../../src/model/ops.js";
import { rowsOf } from "../../../src/tensor/matrix.js";
import { temporaryFolder } from "../../checkpoint/folder.js";
import { furthestApart } from "../furthest-apart.js";
import { bits, generatedSource, openGenerated, type Shapes } from "../generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../llama-variants.js";
import { describeFamily } from "./generated-families.js";

describeFamily("llama");
describeFamily("qwen3");

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

describe.each(Object.entries(llamaVariants))("%s", (_, variant) => {
  const model = openGenerated(variant.config, generatedSource(variant.tensors), ops);
  const windows = variant.windows.map((window) => Int32Array.from(window));

  test("logits are those of transformers", async () => {
    const logits = await model.logits(windows[0]);
    for (const [i, position] of variant.positions.entries()) {
      const row = rowsOf(logits, position, position + 1).data;
      expect(furthestApart(row, variant.logits[i])).toBeLessThan(1e-4);
    }
  });

  test("log-likelihoods of two windows in one batch are those of transformers", async () => {
    const scores = await model.score(windows);
    const means = scores.map((score) => -score.reduce((sum, value) => sum + value, 0) / score.length);
    expect(furthestApart(means, variant.meanNegativeLogLikelihood)).toBeLessThan(2e-5);
  });

  test("every tensor is named once: as a linear, its bias, the head or a float tensor", () => {
    const description = describeModel(variant.config, (name) => variant.tensors[name]);
    const { floatTensors } = description;
    const named = linearsOf(description).map((linear) => linear.tensor);
    expect([...new Set([...named, ...floatTensors])].sort()).toEqual(Object.keys(variant.tensors).sort());
  });
});

test("a variant read from the files of a checkpoint has the logits of transformers", async () => {
  for (const [name, variant] of Object.entries(llamaVariants)) {
    const checkpoint = await openCheckpoint(await writeCheckpoint(variant));
    const logits = await openGenerated(checkpoint.config, checkpoint, ops).logits(
      Int32Array.from(variant.windows[0]),
    );
    await checkpoint.close();
    const last = rowsOf(logits, logits.rows - 1, logits.rows).data;
    expect(furthestApart(last, variant.logits[2]), name).toBeLessThan(1e-4);
  }
});

async function writeCheckpoint({ config, tensors }: LlamaVariant): Promise<string> {
  const folder = await temporaryFolder();
  const generated = generatedSource(tensors);
  const stored: NamedTensor[] = [];
  for (const [name, shape] of Object.entries(tensors)) {
    stored.push({ name, dtype: "F32", shape, bytes: await generated.read(name) });
  }
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  await writeSafetensors(path.join(folder, "model.safetensors"), stored);
  return folder;
}

test("without its rope scaling or its window a variant is another model", async () => {
  // Else the comparison above would prove nothing about them.
  for (const [name, variant] of Object.entries(llamaVariants)) {
    const { rope_scaling: scaling, rope_parameters: parameters, sliding_window: window } = variant.config;
    if (!scaling && !parameters && !window) continue;
    const config = { ...variant.config, rope_scaling: null, rope_parameters: null, sliding_window: null };
    const model = openGenerated(config, generatedSource(variant.tensors), ops);
    const logits = await model.logits(Int32Array.from(variant.windows[0]));
    const last = rowsOf(logits, logits.rows - 1, logits.rows).data;
    expect(furthestApart(last, variant.logits[2]), name).toBeGreaterThan(1e-2);
  }
});

test.each([
  ["llama, every head its own key", { use_sliding_window: true }],
  ["qwen2, biases on q, k and v", { use_sliding_window: false }],
  ["qwen3, heads of 128 by default", {}],
])("%s: a window that is not switched on with %o changes nothing", async (name, changes) => {
  const variant = llamaVariants[name];
  const config = { ...variant.config, ...changes, sliding_window: 3, max_window_layers: 0 };
  const model = openGenerated(config, generatedSource(variant.tensors), ops);
  const logits = await model.logits(Int32Array.from(variant.windows[0]));
  const last = rowsOf(logits, logits.rows - 1, logits.rows).data;
  expect(furthestApart(last, variant.logits[2])).toBeLessThan(1e-4);
});

test("a Mistral that names no window has one of 4,096 tokens", async () => {
  const variant = llamaVariants["mistral, heads wider than the hidden size"];
  const { sliding_window: _, ...config } = variant.config;
  const tokens = Int32Array.from({ length: 4100 }, (_, i) => bits(1, i) % 40);
  const logitsOf = async (changes: Readonly<Record<string, unknown>>) => {
    const model = openGenerated({ ...config, ...changes }, generatedSource(variant.tensors), ops);
    return (await model.logits(tokens)).data;
  };
  const logits = await logitsOf({});
  expect(logits).toEqual(await logitsOf({ sliding_window: 4096 }));
  expect(logits).not.toEqual(await logitsOf({ sliding_window: null }));
});

const [plain] = Object.values(llamaVariants);

function describePlain(config: Readonly<Record<string, unknown>>, tensors: Shapes = {}) {
  const shapes: Shapes = { ...plain.tensors, ...tensors };
  return () => describeModel({ ...plain.config, ...config }, (name) => shapes[name]);
}

describe("what does not fit is refused by name", () => {
  test("a tensor of another shape, with both shapes", () => {
    const name = "model.layers.1.mlp.down_proj.weight";
    expect(describePlain({}, { [name]: [32, 45] })).toThrow(
      "tensor model.layers.1.mlp.down_proj.weight has shape [32, 45], config.json asks for [32, 44]",
    );
  });

  test("a missing tensor", () => {
    const shapeOf = (name: string) => (name === "model.norm.weight" ? undefined : plain.tensors[name]);
    expect(() => describeModel(plain.config, shapeOf)).toThrow("tensor model.norm.weight is missing");
  });

  test("a bias that the configuration does not mention", () => {
    expect(describePlain({}, { "model.layers.0.self_attn.q_proj.bias": [32] })).toThrow(
      "tensor model.layers.0.self_attn.q_proj.bias is there, but a llama of this configuration has no such bias",
    );
  });

  test("another activation function", () => {
    expect(describePlain({ hidden_act: "gelu" })).toThrow("hidden_act is 'gelu'");
    expect(describePlain({ hidden_act: "relu2" })).toThrow("only silu can be computed so far for llama");
    expect(describePlain({ model_type: "bitnet", hidden_act: "silu" })).toThrow("only relu2");
  });

  test("heads that make no groups", () => {
    expect(describePlain({ num_key_value_heads: 3 })).toThrow("4 heads, 3 key-value heads");
  });

  test("a number of blocks that no model has, before their names are made", () => {
    expect(describePlain({ num_hidden_layers: 4e9 })).toThrow("num_hidden_layers");
  });

  test("a configuration without a size", () => {
    expect(describePlain({ hidden_size: undefined })).toThrow("config.json: hidden_size");
  });
});
