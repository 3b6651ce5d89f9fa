import { afterAll, expect, test } from "vitest";
import { readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import type { AttentionInput } from "../../src/model/block-ops.js";
import { describeModel } from "../../src/model/model.js";
import { type Ops, openOps } from "../../src/model/ops.js";
import type { DequantizedCheckpoint } from "../../src/schemes/stored/dequantized.js";
import type { Matrix } from "../../src/tensor/matrix.js";
import { foldedNorms, type HeadScales } from "../../src/transforms/folded-norms.js";
import { addHeads, noHeads, scalesOf } from "../../src/transforms/head-scales.js";
import { furthestApart } from "../model/furthest-apart.js";
import { generatedSource, kernels, openGenerated } from "../model/generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../model/llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const of = (type: string) => Object.values(llamaVariants).find(({ config }) => config.model_type === type)!;

function fold({ config, tensors }: LlamaVariant, scales: HeadScales) {
  const source = generatedSource(tensors);
  const description = describeModel(config, (name) => tensors[name]);
  // What else a checkpoint has is passed on untouched.
  const checkpoint = { ...source, config } as DequantizedCheckpoint;
  return { source, description, folded: foldedNorms(checkpoint, description, scales, kernels) };
}

test("a Llama whose norms are folded computes the same, with norms of ones", async () => {
  const llama = of("llama");
  const { source, folded } = fold(llama, new Map());
  const tokens = Int32Array.from([1, 5, 9, 2, 7]);
  const [before, after] = [
    await openGenerated(llama.config, source, ops).logits(tokens),
    await openGenerated(folded.config, folded, ops).logits(tokens),
  ];
  expect(folded.config).toBe(llama.config);
  expect(furthestApart(after.data, before.data)).toBeLessThan(1e-4);
  for (const norm of ["input_layernorm", "post_attention_layernorm"]) {
    const vector = await readVector(folded, `model.layers.1.${norm}.weight`, kernels);
    expect(vector.every((value) => value === 1)).toBe(true);
  }
  const last = "model.norm.weight"; // its linear is the head, which is computed elsewhere
  expect(await folded.read(last)).toEqual(await source.read(last));
});

test("a Qwen3 becomes a Llama, the same one on a token that the scales of its heads were measured on", async () => {
  const qwen = of("qwen3");
  const { source, description } = fold(qwen, new Map());
  const scales = new Map<string, Float32Array>();
  const layers = description.blocks.values();
  const measuring: Ops = {
    ...ops,
    attention(input: AttentionInput<Matrix, Float32Array>) {
      const [queries, keys] = layers.next().value!;
      const measured = (x: Matrix, heads: number) => {
        const sums = noHeads(heads);
        addHeads(x, input.norms!.epsilon, sums);
        return scalesOf(sums);
      };
      scales.set(queries.name, measured(input.query, input.heads));
      scales.set(keys.name, measured(input.key, input.keyValueHeads));
      return ops.attention(input);
    },
  };
  const token = Int32Array.of(6);
  const before = await openGenerated(qwen.config, source, measuring).logits(token);
  const { folded } = fold(qwen, scales);
  expect(folded.config.model_type).toBe("llama");
  const after = await openGenerated(folded.config, folded, ops).logits(token);
  expect(furthestApart(after.data, before.data)).toBeLessThan(1e-4);
});

test("some rows of a folded weight are those of the whole", async () => {
  const qwen = of("qwen3");
  const { description } = fold(qwen, new Map());
  const [queries] = description.blocks[0];
  const size = qwen.tensors[queries.headNorm!][0];
  const scales = new Map([
    [queries.name, Float32Array.from({ length: queries.rows / size }, (_, i) => i + 2)],
  ]);
  const { folded } = fold(qwen, scales);
  const whole = await readMatrix(folded, queries.tensor, kernels);
  const some = await readMatrix(folded, queries.tensor, kernels, { first: size - 1, last: size + 2 });
  expect(some.data).toEqual(whole.data.subarray((size - 1) * whole.columns, (size + 2) * whole.columns));
});

test("windows that slide are refused: a Llama's do not", () => {
  const qwen = of("qwen3");
  const config = { ...qwen.config, use_sliding_window: true, sliding_window: 4, max_window_layers: 0 };
  expect(() => fold({ ...qwen, config }, new Map())).toThrow("its windows slide");
});
