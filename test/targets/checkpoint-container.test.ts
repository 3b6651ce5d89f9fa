import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readHeader } from "../../src/checkpoint/safetensors.js";
import type { TensorSource } from "../../src/checkpoint/tensor-source.js";
import type { GridOutline, GridScheme } from "../../src/schemes/scheme.js";
import { outlineOf } from "../../src/schemes/weights.js";
import type { LinearToWrite, ModelToWrite } from "../../src/targets/container.js";
import { gptq } from "../../src/targets/gptq/gptq.js";
import type { TensorBytes, Tensors } from "../../src/tensor/tensor.js";
import { temporaryFolder } from "../checkpoint/folder.js";
import { bytes, floats } from "../schemes/stored/stored-source.js";
import { randomInt } from "./random-weights.js";

const container = gptq.container!;
const parameters = { checkpointFormat: "gptq" } as const;

const config = {
  model_type: "llama",
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 32,
  max_position_embeddings: 16,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
};
const block = "model.layers.0";
const shapes: Readonly<Record<string, readonly [number, number]>> = {
  [`${block}.self_attn.q_proj`]: [32, 32],
  [`${block}.self_attn.k_proj`]: [32, 32],
  [`${block}.self_attn.v_proj`]: [32, 32],
  [`${block}.self_attn.o_proj`]: [32, 32],
  [`${block}.mlp.gate_proj`]: [64, 32],
  [`${block}.mlp.up_proj`]: [64, 32],
  [`${block}.mlp.down_proj`]: [32, 64],
};
const norms = ["model.norm", `${block}.input_layernorm`, `${block}.post_attention_layernorm`];

function keptOf(tensors: Tensors): TensorSource {
  return {
    tensors: new Map(
      Object.entries(tensors).map(([name, { dtype, shape, bytes: data }]) => [
        name,
        { dtype, shape, file: "memory", begin: 0, bytes: data.length },
      ]),
    ),
    async read(name, rows) {
      const { shape, bytes: data } = tensors[name];
      if (rows === undefined) return data.slice();
      const rowBytes = data.length / shape[0];
      return data.slice(rows.first * rowBytes, rows.last * rowBytes);
    },
    async close() {},
  };
}

/** A model of one block whose linears are quantized, but those in `float`. */
async function model(
  float: Readonly<Record<string, TensorBytes>> = {},
  head = false,
): Promise<ModelToWrite<GridOutline>> {
  const directory = await temporaryFolder();
  await writeFile(path.join(directory, "config.json"), JSON.stringify(config));
  await writeFile(path.join(directory, "tokenizer.json"), "{}");
  const kept = {
    "model.embed_tokens.weight": floats(Array(32 * 32).fill(0.5), [32, 32]),
    ...Object.fromEntries(norms.map((name) => [`${name}.weight`, floats(Array(32).fill(1))])),
    ...float,
  };
  const all = { ...shapes, ...(head && { lm_head: [32, 32] as const }) };
  const linears = Object.entries(all)
    .filter(([name]) => float[`${name}.weight`] === undefined)
    .map(([name, [rows, columns]], seed): LinearToWrite<GridOutline> => {
      const scheme: GridScheme = randomInt(
        { rows, columns, granularity: 32, bits: 4, symmetric: true },
        seed,
      );
      return { name, weight: outlineOf(scheme), pack: async () => gptq.pack(scheme, parameters) };
    });
  return { config, directory, kept: keptOf(kept), linears } as ModelToWrite<GridOutline>;
}

async function written(input: ModelToWrite<GridOutline>) {
  const folder = await temporaryFolder();
  const { files, linears } = await container.write(folder, input, parameters);
  const read = JSON.parse(await readFile(path.join(folder, "config.json"), "utf8"));
  return { folder, files, linears, config: read };
}

test("a folder is a checkpoint: configuration, tokenizer and safetensors", async () => {
  const { folder, files, config: found } = await written(await model());
  expect([...files].sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  expect((await readdir(folder)).sort()).toEqual([...files].sort());
  expect(found).toMatchObject({
    model_type: "llama",
    tie_word_embeddings: true,
    quantization_config: { bits: 4 },
  });
  expect((await readHeader(path.join(folder, "model.safetensors"))).metadata).toEqual({ format: "pt" });
});

test("scales stay exact when a loader casts them to the model's dtype", async () => {
  expect((await written(await model())).config.torch_dtype).toBe("float16");
});

test("every tensor begins at a multiple of its element's size", async () => {
  const { folder } = await written(await model());
  const { tensors } = await readHeader(path.join(folder, "model.safetensors"));
  const begins = [...tensors].map(([name, { begin, dtype }]) => [name, begin % (dtype === "F16" ? 2 : 4)]);
  expect(begins.filter(([, rest]) => rest !== 0)).toEqual([]);
  expect(tensors.size).toBe(7 * 4 + 4);
});

test("linears are read back as they were packed, with their bytes on record", async () => {
  const input = await model();
  const { folder, linears } = await written(input);
  const open = await container.open(folder);
  for (const [index, linear] of input.linears.entries()) {
    const packed = await linear.pack();
    const tensors = await open.read({ ...linears[index], weight: linear.weight });
    expect(Object.entries(tensors).sort()).toEqual(Object.entries(packed.tensors).sort());
    expect(linears[index]).toMatchObject({
      name: linear.name,
      file: "model.safetensors",
      layout: packed.layout,
    });
    expect(linears[index].bytes).toBe(
      Object.values(packed.tensors).reduce((sum, each) => sum + each.bytes.length, 0),
    );
  }
  await open.close();
});

test("a linear is packed once, when it is written", async () => {
  const input = await model();
  const order: string[] = [];
  const linears = input.linears.map((linear) => ({
    ...linear,
    pack() {
      order.push(linear.name);
      return linear.pack();
    },
  }));
  await written({ ...input, linears });
  expect(order).toEqual(Object.keys(shapes));
});

test("the same model gives the same bytes", async () => {
  const contents = async () =>
    readFile(path.join((await written(await model())).folder, "model.safetensors"));
  expect((await contents()).equals(await contents())).toBe(true);
});

test("a quantized head is no embedding any more", async () => {
  const { config: found } = await written(await model({}, true));
  expect(found).toMatchObject({ tie_word_embeddings: false, quantization_config: { lm_head: true } });
});

test("a linear that stays float is named in the configuration", async () => {
  const name = `${block}.self_attn.v_proj`;
  const { config: found } = await written(
    await model({ [`${name}.weight`]: floats(Array(1024).fill(1), [32, 32]) }),
  );
  expect(found.quantization_config.dynamic).toEqual({ [`-:^${name.replaceAll(".", "\\.")}$`]: {} });
});

test("a float linear in FP8 is written as what it stands for", async () => {
  const name = `${block}.self_attn.v_proj.weight`;
  const { folder } = await written(
    await model({
      [name]: bytes("F8_E4M3", Array(1024).fill(0x38), [32, 32]), // 1.0
      [`${name}_scale`]: floats([0.25]),
    }),
  );
  const { tensors } = await readHeader(path.join(folder, "model.safetensors"));
  const { dtype, begin, bytes: size } = tensors.get(name)!;
  const data = (await readFile(path.join(folder, "model.safetensors"))).subarray(begin, begin + size);
  expect(dtype).toBe("F32");
  expect([...new Float32Array(Uint8Array.from(data).buffer)]).toEqual(Array(1024).fill(0.25));
  expect(tensors.has(`${name}_scale`)).toBe(false);
});

test("shards of an earlier pack are removed, other files are not", async () => {
  const folder = path.join(await temporaryFolder(), "pack");
  await mkdir(folder);
  const old = ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "notes.txt"];
  for (const file of old) await writeFile(path.join(folder, file), "{}");
  await container.write(folder, await model(), parameters);
  expect((await readdir(folder)).sort()).toEqual([
    "config.json",
    "model.safetensors",
    "notes.txt",
    "tokenizer.json",
  ]);
});

describe("is refused:", () => {
  test("a model without a quantized linear", async () => {
    const refuse = (quantized: ModelToWrite<GridOutline>["linears"]) =>
      container.refuse(
        { config, quantized, tokenizer: null, weightedNorms: [] },
        { checkpointFormat: "gptq" },
      );
    expect(refuse([])?.fix).toContain("as it is");
    expect(refuse((await model()).linears)).toBeNull();
  });
});
