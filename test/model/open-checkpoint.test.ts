import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { openModelCheckpoint } from "../../src/model/open-checkpoint.js";
import { temporaryFolder } from "../checkpoint/folder.js";

interface Stored {
  readonly dtype?: "F32" | "BF16";
  readonly shape: readonly number[];
}

/** A checkpoint of these tensors, whose bytes count up, each tensor from a number of its own. */
async function openOf(config: object, tensors: Readonly<Record<string, Stored>>) {
  const folder = await temporaryFolder();
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  await writeSafetensors(
    path.join(folder, "model.safetensors"),
    Object.entries(tensors).map(([name, { dtype = "F32", shape }], at) => ({
      ...{ name, dtype, shape },
      bytes: numbers(shape, at, dtype),
    })),
  );
  const checkpoint = await openModelCheckpoint(folder);
  onTestFinished(() => checkpoint.close());
  return checkpoint;
}

/** 0, 1, 2 … and 100 more for each tensor before; as BF16 the upper halves of float32 values. */
function numbers(shape: readonly number[], at: number, dtype: "F32" | "BF16"): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const floats = Float32Array.from({ length: count }, (_, i) => 100 * at + i);
  const halves = Uint16Array.from(new Uint32Array(floats.buffer), (word) => word >>> 16);
  return new Uint8Array(dtype === "F32" ? floats.buffer : halves.buffer);
}

function floats(bytes: Uint8Array): number[] {
  return [...new Float32Array(bytes.slice().buffer)];
}

const gpt2 = { model_type: "gpt2", architectures: ["GPT2LMHeadModel"] };
const projection = "h.0.attn.c_attn.weight";

test("weights of GPT-2 lie the other way round, and without its prefix: they are read by the family's names", async () => {
  const { tensors, read } = await openOf(gpt2, {
    [projection]: { shape: [2, 3] },
    "h.0.attn.c_attn.bias": { shape: [3] },
  });
  expect([...tensors.keys()].sort()).toEqual([
    "transformer.h.0.attn.c_attn.bias",
    `transformer.${projection}`,
  ]);
  expect(tensors.get(`transformer.${projection}`)?.shape).toEqual([3, 2]);
  // Stored [[0, 1, 2], [3, 4, 5]].
  expect(floats(await read(`transformer.${projection}`))).toEqual([0, 3, 1, 4, 2, 5]);
  expect(floats(await read("transformer.h.0.attn.c_attn.bias"))).toEqual([100, 101, 102]);
});

test("rows of a weight that lies the other way round are its stored columns, in any order of reads", async () => {
  const other = "h.0.mlp.c_fc.weight";
  const { read } = await openOf(gpt2, { [projection]: { shape: [2, 3] }, [other]: { shape: [2, 2] } });
  const rows = (name: string, first: number, last: number) => read(`transformer.${name}`, { first, last });
  expect(floats(await rows(projection, 1, 3))).toEqual([1, 4, 2, 5]);
  const both = await Promise.all([rows(projection, 0, 1), rows(other, 1, 2), rows(projection, 2, 3)]);
  expect(both.map(floats)).toEqual([
    [0, 3],
    [101, 103],
    [2, 5],
  ]);
  await expect(rows(projection, 2, 4)).rejects.toThrow(RangeError);
});

test("values of two bytes stay whole", async () => {
  const { read } = await openOf(gpt2, { [projection]: { dtype: "BF16", shape: [2, 2] } });
  const bytes = await read(`transformer.${projection}`);
  const words = new Uint16Array(bytes.slice().buffer);
  const values = new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
  expect([...values]).toEqual([0, 2, 1, 3]);
});

test("tensors that lie as their family speaks of them are left alone", async () => {
  const { tensors, read } = await openOf(
    { model_type: "llama", architectures: ["LlamaForCausalLM"] },
    { "model.embed_tokens.weight": { shape: [2, 3] } },
  );
  expect([...tensors.keys()]).toEqual(["model.embed_tokens.weight"]);
  expect(floats(await read("model.embed_tokens.weight", { first: 1, last: 2 }))).toEqual([3, 4, 5]);
});

test("old names of BERT's norms are its new ones", async () => {
  const { tensors, read } = await openOf(
    { model_type: "bert", architectures: ["BertForSequenceClassification"] },
    { "bert.embeddings.LayerNorm.gamma": { shape: [2] }, "bert.embeddings.LayerNorm.beta": { shape: [2] } },
  );
  expect([...tensors.keys()].sort()).toEqual([
    "bert.embeddings.LayerNorm.bias",
    "bert.embeddings.LayerNorm.weight",
  ]);
  expect(floats(await read("bert.embeddings.LayerNorm.bias"))).toEqual([100, 101]);
});

test("a family that is not known is refused", async () => {
  await expect(openOf({ model_type: "abacus" }, { weight: { shape: [1] } })).rejects.toThrow("abacus");
});

test("a Llama that answers questions is saved with another prefix, and read by the family's names", async () => {
  const config = { model_type: "llama", architectures: ["LlamaForQuestionAnswering"] };
  const { tensors, read } = await openOf(config, {
    "transformer.norm.weight": { shape: [2] },
    "qa_outputs.bias": { shape: [2] },
  });
  expect([...tensors.keys()].sort()).toEqual(["model.norm.weight", "qa_outputs.bias"]);
  expect(floats(await read("model.norm.weight"))).toEqual([0, 1]);
});
