import { afterAll, describe, expect, test } from "vitest";
import { readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import { openRotatingExecutor } from "../../src/model/executors/rotating.js";
import { describeModel } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import type { DequantizedCheckpoint } from "../../src/schemes/stored/dequantized.js";
import { rotationsOf } from "../../src/transforms/hadamard.js";
import { randomSigns, rotatedTensors } from "../../src/transforms/rotated-tensors.js";
import { furthestApart } from "../model/furthest-apart.js";
import { generatedSource, kernels, openGenerated } from "../model/generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../model/llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const rotatable = Object.entries(llamaVariants).filter(([, { config }]) => config.model_type !== "bitnet");
const signs = randomSigns(32, 7);

function rotate({ config, tensors }: LlamaVariant, online = false, reads: string[] = []) {
  const source = generatedSource(tensors, reads);
  const description = describeModel(config, (name) => tensors[name]);
  const rotations = rotationsOf(description, { online });
  const checkpoint = { ...source, config } as DequantizedCheckpoint;
  const rotated = rotatedTensors(checkpoint, description, rotations, signs, kernels);
  return { source, description, rotations, rotated };
}

async function furthest(variant: LlamaVariant, online: boolean): Promise<number> {
  const { source, rotated, rotations } = rotate(variant, online);
  const tokens = Int32Array.from(variant.windows[0]);
  const rotationOf = (linear: string) => rotations.inputs.get(linear) ?? null;
  const before = await openGenerated(variant.config, source, ops).logits(tokens);
  const after = await openGenerated(rotated.config, rotated, ops, {
    wrap: (executor) => openRotatingExecutor(executor, rotationOf, kernels),
  }).logits(tokens);
  return furthestApart(after.data, before.data);
}

describe.each(rotatable)("%s", (_, variant) => {
  test.each([false, true])("logits stay the same (online: %s)", async (online) => {
    expect(await furthest(variant, online)).toBeLessThan(1e-4);
  });
});

describe("a rotated Llama with biases", () => {
  const variant = llamaVariants["llama, biases everywhere"];
  const layer = "model.layers.1";

  test("has norms of ones, the last one too", async () => {
    const { rotated } = rotate(variant);
    for (const norm of [`${layer}.input_layernorm`, `${layer}.post_attention_layernorm`, "model.norm"]) {
      const vector = await readVector(rotated, `${norm}.weight`, kernels);
      expect(vector.every((weight) => weight === 1)).toBe(true);
    }
  });

  test("keeps what nothing rotates: queries' biases", async () => {
    const { rotated, source } = rotate(variant);
    const name = `${layer}.self_attn.q_proj.bias`;
    expect(await rotated.read(name)).toEqual(await source.read(name));
  });

  test("keeps the lengths of rows, and of what is written into the residual stream", async () => {
    const { rotated, source } = rotate(variant);
    const lengths = async (name: string) => {
      const [a, b] = [await readVector(source, name, kernels), await readVector(rotated, name, kernels)];
      return [Math.hypot(...a), Math.hypot(...b), furthestApart(a, b)];
    };
    for (const bias of ["self_attn.o_proj.bias", "mlp.down_proj.bias", "self_attn.v_proj.bias"]) {
      const [before, after, apart] = await lengths(`${layer}.${bias}`);
      expect(after).toBeCloseTo(before, 5);
      expect(apart).toBeGreaterThan(0.1);
    }
  });

  test.each(["self_attn.o_proj", "mlp.down_proj", "self_attn.q_proj"])(
    "some rows of %s are those of the whole, in float32",
    async (linear) => {
      const { rotated } = rotate(variant);
      const name = `${layer}.${linear}.weight`;
      const whole = await readMatrix(rotated, name, kernels);
      expect(rotated.tensors.get(name)).toMatchObject({ dtype: "F32", bytes: 4 * whole.data.length });
      const some = await readMatrix(rotated, name, kernels, { first: 3, last: 9 });
      expect(some.data).toEqual(whole.data.subarray(3 * whole.columns, 9 * whole.columns));
      const none = await readMatrix(rotated, name, kernels, { first: 3, last: 3 });
      expect(none.data.length).toBe(0);
    },
  );

  test("reads a tensor whose rows are rotated once for all of its parts", async () => {
    const reads: string[] = [];
    const { rotated } = rotate(variant, false, reads);
    const name = `${layer}.mlp.down_proj.weight`;
    for (let first = 0; first < 32; first += 8) await rotated.read(name, { first, last: first + 8 });
    expect(reads).toEqual([name]);
  });

  test("is another one by another seed, and the same by the same", async () => {
    expect(randomSigns(32, 7)).toEqual(signs);
    expect(randomSigns(32, 8)).not.toEqual(signs);
    expect(new Set(signs)).toEqual(new Set([1, -1]));
  });
});

test("a tied head becomes a tensor of its own, with the last norm's weights in it", async () => {
  const variant = llamaVariants["llama, tied head of one key-value head"];
  const { rotated, source } = rotate(variant);
  expect(rotated.config.tie_word_embeddings).toBe(false);
  const description = describeModel(rotated.config, (name) => rotated.tensors.get(name)?.shape);
  expect(description.head?.tensor).toBe("lm_head.weight");
  expect(source.tensors.has("lm_head.weight")).toBe(false);
  const [head, embedding] = [
    await readMatrix(rotated, "lm_head.weight", kernels),
    await readMatrix(rotated, description.embedding, kernels),
  ];
  expect([head.rows, head.columns]).toEqual([embedding.rows, embedding.columns]);
  expect(head.data).not.toEqual(embedding.data);
});

test("without signs the logits stay the same too", async () => {
  const variant = llamaVariants["llama, every head its own key"];
  const { source, description, rotations } = rotate(variant);
  const checkpoint = { ...source, config: variant.config } as DequantizedCheckpoint;
  const rotated = rotatedTensors(checkpoint, description, rotations, null, kernels);
  const tokens = Int32Array.from(variant.windows[0]);
  const [before, after] = [
    await openGenerated(variant.config, source, ops).logits(tokens),
    await openGenerated(variant.config, rotated, ops).logits(tokens),
  ];
  expect(furthestApart(after.data, before.data)).toBeLessThan(1e-4);
});

test("an untied configuration is passed on as it is", () => {
  const variant = llamaVariants["llama, biases everywhere"];
  expect(rotate(variant).rotated.config).toBe(variant.config);
});

test("an outlying channel of the residual stream is spread over all", async () => {
  const variant = llamaVariants["llama, every head its own key"];
  const { source, description } = rotate(variant);
  const loud: typeof source = {
    ...source,
    async read(name, range) {
      const bytes = await source.read(name, range);
      const values = new Float32Array(bytes.buffer);
      if (name === description.embedding) for (let at = 5; at < values.length; at += 32) values[at] = 100;
      return bytes;
    },
  };
  const checkpoint = { ...loud, config: variant.config } as DequantizedCheckpoint;
  const rotations = rotationsOf(description, { online: false });
  const rotated = rotatedTensors(checkpoint, description, rotations, signs, kernels);
  // Largest magnitude over the root mean square: √32 where one of 32 channels has it all, 1 where all have the same.
  const peak = async (from: typeof source) => {
    const { data } = await readMatrix(from, description.embedding, kernels, { first: 0, last: 1 });
    return (Math.max(...data.map(Math.abs)) * Math.sqrt(32)) / Math.hypot(...data);
  };
  expect(await peak(checkpoint)).toBeGreaterThan(5.6);
  expect(await peak(rotated)).toBeLessThan(1.2);
});
