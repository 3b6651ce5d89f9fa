import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gguf as readByHuggingFace } from "@huggingface/gguf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../../src/checkpoint/checkpoint.js";
import { openGguf } from "../../../src/checkpoint/gguf.js";
import { readMatrix, readVector } from "../../../src/checkpoint/tensors.js";
import { openKernels } from "../../../src/kernels/open.js";
import { openPack, readManifest } from "../../../src/pipeline/pack-files.js";
import { ggufContainer } from "../../../src/targets/gguf/container.js";
import { gguf } from "../../../src/targets/gguf/gguf.js";
import { ggufNameOf, pairRows, partRows } from "../../../src/targets/gguf/tensor-names.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "../../pipeline/run.js";

const kernels = openKernels();
const run = mkdtempSync(path.join(tmpdir(), "luthier-gguf-"));
const folder = path.join(run, "packs/gguf");
const file = path.join(folder, "model.gguf");
beforeAll(() => quantizeBundled("gguf-q4_0", run));
afterAll(() => rmSync(run, { recursive: true, force: true }));

test("Hugging Face's reader finds a whole qwen3 in it", async () => {
  const { metadata, tensorInfos } = await readByHuggingFace(file, { allowLocalFile: true });
  expect(metadata).toMatchObject({
    version: 3,
    tensor_count: 2n + 4n * 11n, // the head is the embedding
    "general.architecture": "qwen3",
    "general.name": "Qwen3ForCausalLM",
    "general.file_type": 2,
    "qwen3.block_count": 4,
    "qwen3.attention.key_length": 64,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.add_bos_token": false,
  });
  const shapes = new Map(tensorInfos.map(({ name, shape, dtype }) => [name, [dtype, ...shape.map(Number)]]));
  // Types 0 F32, 2 Q4_0, 30 BF16; the innermost length first.
  expect(shapes.get("token_embd.weight")).toEqual([30, 256, 2048]);
  expect(shapes.get("blk.3.ffn_down.weight")).toEqual([2, 768, 256]);
  expect(shapes.get("blk.0.attn_k.weight")).toEqual([2, 256, 128]);
  expect(shapes.get("blk.0.attn_q_norm.weight")).toEqual([0, 64]);
  expect(shapes.get("output_norm.weight")).toEqual([0, 256]);
});

test("kept tensors are the checkpoint's: matrices as they were, vectors in F32", async () => {
  const [checkpoint, packed] = [await openCheckpoint(bundledModel), await openGguf(file)];
  const embedding = await packed.read("token_embd.weight");
  expect(Buffer.from(embedding)).toEqual(Buffer.from(await checkpoint.read("model.embed_tokens.weight")));
  const norm = await packed.read("blk.2.ffn_norm.weight");
  const expected = await readVector(checkpoint, "model.layers.2.post_attention_layernorm.weight", kernels);
  expect(new Float32Array(norm.slice().buffer)).toEqual(expected);
  await packed.close();
  await checkpoint.close();
});

test("the manifest has the file once, and every linear with its place, type and bytes", async () => {
  const { files, linears } = await readManifest(folder);
  expect(files.map((each) => each.file)).toEqual(["model.gguf"]);
  expect(linears).toHaveLength(28);
  const down = linears.find(({ name }) => name === "model.layers.0.mlp.down_proj");
  expect(down).toMatchObject({ file: "model.gguf", layout: { type: "q4_0" }, bytes: 256 * (768 / 32) * 18 });
});

test("a linear that is read back is near the checkpoint's", async () => {
  const checkpoint = await openCheckpoint(bundledModel);
  const pack = await openPack(folder, gguf);
  const { linears } = await readManifest(folder);
  const entry = linears.find(({ name }) => name === "model.layers.1.self_attn.q_proj")!;
  const { scales } = gguf.unpack((await pack.read(entry)) as PackedGrid);
  const weight = await readMatrix(checkpoint, "model.layers.1.self_attn.q_proj.weight", kernels);
  const largest = (values: Float32Array) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(largest(scales) * 7).toBeGreaterThan(largest(weight.data) / 2);
  await pack.close();
  await checkpoint.close();
});

describe("a damaged pack", () => {
  async function read(change: (bytes: Buffer) => Buffer, layout: Record<string, string> = { type: "q4_0" }) {
    const damaged = temporaryFolder();
    writeFileSync(path.join(damaged, "model.gguf"), change(readFileSync(file)));
    const open = await ggufContainer.open(damaged);
    const { linears } = await readManifest(folder);
    try {
      return await open.read({ ...(linears[0] as (typeof linears)[0] & Pick<PackedGrid, "weight">), layout });
    } finally {
      await open.close();
    }
  }

  const renamed = (from: string, to: string) => (bytes: Buffer) => {
    bytes.write(to, bytes.indexOf(from));
    return bytes;
  };

  test("without the linear is one", async () => {
    await expect(read(renamed("blk.0.attn_q.", "blk.9.attn_q."))).rejects.toThrow(/attn_q.weight is missing/);
  });

  test("with the linear in another type is one", async () => {
    await expect(read((bytes) => bytes, { type: "q8_0" })).rejects.toThrow(/is Q4_0, its layout says q8_0/);
  });

  test("with rows in pairs but no heads is one", async () => {
    const change = (bytes: Buffer) => bytes.fill("llama", bytes.indexOf("qwen3"), bytes.indexOf("qwen3") + 5);
    await expect(read(change)).rejects.toThrow(/how many heads/);
  });

  test("that is cut short is one", async () => {
    await expect(read((bytes) => bytes.subarray(0, -64))).rejects.toThrow(
      /no sound GGUF file|not a sound GGUF/,
    );
  });
});

describe("a model is refused", () => {
  const config = JSON.parse(readFileSync(path.join(bundledModel, "config.json"), "utf8"));
  const definition = JSON.parse(readFileSync(path.join(bundledModel, "tokenizer.json"), "utf8"));
  const tokenizer = { definition, config: {}, chatTemplate: null };

  test("never when it is the bundled one", () => {
    expect(
      ggufContainer.refuse({ config, quantized: [], tokenizer, weightedNorms: [] }, { type: "auto" }),
    ).toBe(null);
  });

  test.each([
    ["of another family", { ...config, model_type: "gpt_neox" }, tokenizer, /type gpt_neox/],
    ["without tokenizer", config, null, /no tokenizer\.json/],
    [
      "whose tokenizer has more tokens",
      { ...config, vocab_size: 2000 },
      tokenizer,
      /the embedding 2000 rows/,
    ],
    [
      "whose rope llama.cpp has not",
      { ...config, rope_scaling: { type: "dynamic", factor: 2 } },
      tokenizer,
      /dynamic/,
    ],
  ])("%s", (_, changed, files, reason) => {
    expect(
      ggufContainer.refuse(
        { config: changed, quantized: [], tokenizer: files, weightedNorms: [] },
        { type: "auto" },
      )?.reason,
    ).toMatch(reason);
  });
});

describe("rows of queries and keys", () => {
  test("of a head's halves lie side by side: 0, 2, 1, 3 of four", () => {
    const rows = Uint8Array.of(0, 1, 2, 3, 10, 11, 12, 13); // two heads of four rows of a byte
    expect([...pairRows(rows, 8, 2)]).toEqual([0, 2, 1, 3, 10, 12, 11, 13]);
  });

  test("are brought back", () => {
    const rows = Uint8Array.from({ length: 3 * 24 }, (_, i) => i);
    expect(partRows(pairRows(rows, 24, 3), 24, 3)).toEqual(rows);
  });

  test("stay where nothing is paired", () => {
    const rows = Uint8Array.of(1, 2, 3);
    expect(pairRows(rows, 3, 0)).toBe(rows);
  });
});

test("tensors are called as llama.cpp calls them", () => {
  expect(ggufNameOf("model.layers.12.self_attn.o_proj.weight")).toBe("blk.12.attn_output.weight");
  expect(ggufNameOf("model.layers.0.self_attn.q_proj.bias")).toBe("blk.0.attn_q.bias");
  expect(ggufNameOf("lm_head.weight")).toBe("output.weight");
  expect(() => ggufNameOf("model.layers.0.mlp.experts.weight")).toThrow(RangeError);
});
