import type { TensorSource } from "../../../src/checkpoint/tensor-source.js";
import { vectorsOutlineOf } from "../../../src/schemes/vectors.js";
import type { LinearToWrite, ModelToWrite } from "../../../src/targets/container.js";
import { lutLlm } from "../../../src/targets/lut-llm/lut-llm.js";
import { randomTabled } from "./schemes.js";

/** Sizes of a model of the Llama family. */
export interface ModelSizes {
  readonly layers: number;
  readonly hidden: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly bits: 4 | 8;
  /** Blocks of q, k and v, of o and down, of gate and up. */
  readonly blocks: readonly [qkv: number, single: number, gateUp: number];
}

export type Tabled = ReturnType<typeof randomTabled>;

export function configOf({ layers, hidden, feedForward, heads, keyValueHeads, headSize }: ModelSizes) {
  return {
    model_type: "qwen3",
    hidden_size: hidden,
    intermediate_size: feedForward,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headSize,
    vocab_size: 100,
    max_position_embeddings: 64,
  };
}

/** Linears at random that share what the hardware has once: q, k and v tables and codebooks, gate and up codebooks. */
export function randomLinears(sizes: ModelSizes, seed: number): ReadonlyMap<string, Tabled> {
  const { hidden, feedForward, heads, keyValueHeads, headSize, bits } = sizes;
  const [qkv, single, gateUp] = sizes.blocks;
  const linears = new Map<string, Tabled>();
  for (let layer = 0; layer < sizes.layers; layer++) {
    const at = seed + 10 * layer;
    const make = (rows: number, columns: number, blocks: number, scales: number, which: number) =>
      randomTabled({ rows, columns, blocks, bits, scales }, at + which);
    const q = make(heads * headSize, hidden, qkv, heads, 0);
    const [k, v] = [1, 2].map((which) => {
      const own = make(keyValueHeads * headSize, hidden, qkv, keyValueHeads, which);
      const products = { ...own.products, entries: q.products.entries };
      return { ...own, inputCodebooks: q.inputCodebooks, products };
    });
    const gate = make(feedForward, hidden, gateUp, 1, 4);
    const up = { ...make(feedForward, hidden, gateUp, 1, 5), inputCodebooks: gate.inputCodebooks };
    const all = {
      "self_attn.q_proj": q,
      "self_attn.k_proj": k,
      "self_attn.v_proj": v,
      "self_attn.o_proj": make(hidden, heads * headSize, single, 1, 3),
      "mlp.gate_proj": gate,
      "mlp.up_proj": up,
      "mlp.down_proj": make(hidden, feedForward, single, 1, 6),
    };
    for (const [name, weight] of Object.entries(all)) linears.set(`model.layers.${layer}.${name}`, weight);
  }
  return linears;
}

/** What a container takes in; nothing else of the model is asked for. */
export function modelOf(
  config: Readonly<Record<string, unknown>>,
  linears: ReadonlyMap<string, Tabled>,
  ports: 16 | 32,
): ModelToWrite {
  const kept: TensorSource = {
    tensors: new Map(),
    read: () => Promise.reject(new Error("not asked for")),
    close: async () => {},
  };
  return {
    config,
    directory: "/nowhere",
    kept,
    linears: [...linears].map(
      ([name, weight]): LinearToWrite => ({
        name,
        weight: vectorsOutlineOf(weight),
        pack: async () => lutLlm.pack(weight, { ports, fidelity: "linears" }),
      }),
    ),
  };
}
