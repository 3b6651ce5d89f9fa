import { z } from "zod";
import { columnRuns, type Matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext, LinearInfo } from "../architecture.js";
import { kindOf } from "../kind.js";
import type { Rope } from "../rope.js";
import { described, normShapes } from "./described.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";
import { layerNorm } from "./layer-norm.js";
import { headLinear, plainLinear } from "./plain-linear.js";
import { decoderReadout } from "./readouts.js";
import { ropeOf, rotaryKeys } from "./rotary-config.js";

/*
 * GPT-NeoX (arXiv 2204.06745) and Pythia: attention and feed-forward layer side by side on the same states, a quarter of
 * each head rotated, queries, keys and values of a head next to each other in one linear.
 */

export const gptNeox: Architecture = {
  name: "gpt-neox",
  modelTypes: ["gpt_neox"],
  kinds: ["causal", "classification"],

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const { hidden_size: hidden, vocab_size: vocabulary } = config;
    rotation(config);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const tied = config.tie_word_embeddings ? embedding : null;
    const norms = [...blocks.flatMap((_, index) => normsOf(index)), lastNorm];
    return described(
      {
        ...{ modelType: config.model_type, blocks, embedding, hiddenSize: hidden },
        ...decoderReadout(kindOf(raw), headLinear(vocabulary, hidden, tied, "embed_out.weight"), shapeOf),
        feedForwardSize: config.intermediate_size,
        vocabularySize: vocabulary,
        contextLength: config.max_position_embeddings,
        others: { [embedding]: [vocabulary, hidden], ...normShapes(norms, hidden) },
      },
      shapeOf,
    );
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const { num_attention_heads: heads } = config;
    const headSize = config.hidden_size / heads;
    const [beforeAttention, beforeFeedForward] = await Promise.all(
      normsOf(index).map((norm) => layerNorm(norm, config.layer_norm_eps, context)),
    );
    const [qkv, o, up, down] = blockLinears(index, config).map(({ name }) => name);
    const activation = namedActivation(config.hidden_act);
    const rope = rotation(config);

    const attend = async (hidden: Matrix, length: number) => {
      const [fused] = await executor.run([qkv], await beforeAttention(hidden));
      const [query, key, value] = [0, 1, 2].map((at) => {
        const firsts = Array.from({ length: heads }, (_, head) => (3 * head + at) * headSize);
        return columnRuns(fused, firsts, headSize);
      });
      return ops.attention({
        ...{ query, key, value, heads, keyValueHeads: heads, headSize, length },
        ...{ rope, norms: null, window: null },
      });
    };
    const attention = async (hidden: Matrix, length: number) => {
      const [out] = await executor.run([o], await attend(hidden, length));
      return out;
    };
    const widen = async (hidden: Matrix) => {
      const [wide] = await executor.run([up], await beforeFeedForward(hidden));
      return ops.activation(wide, activation);
    };
    const feedForward = async (hidden: Matrix) => {
      const [out] = await executor.run([down], await widen(hidden));
      return out;
    };
    return async (hidden, length) => {
      const attended = await ops.add(hidden, await attention(hidden, length));
      return ops.add(attended, await feedForward(config.use_parallel_residual ? hidden : attended));
    };
  },

  async finalNorm(hidden, context) {
    const norm = await layerNorm(lastNorm, parseConfig(context.config).layer_norm_eps, context);
    return norm(hidden);
  },
};

const embedding = "gpt_neox.embed_in.weight";
const lastNorm = "gpt_neox.final_layer_norm";

const configSchema = z.looseObject({
  ...rotaryKeys,
  model_type: z.string(),
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: blockCount,
  num_attention_heads: z.int().positive(),
  vocab_size: z.int().positive(),
  hidden_act: z.string().default("gelu"),
  rotary_pct: z.number().positive().max(1).default(0.25),
  rotary_emb_base: z.number().positive().default(10_000),
  layer_norm_eps: z.number().positive().default(1e-5),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  const config = parseFamilyConfig(configSchema, raw, "GPT-NeoX");
  dividedByHeads(config.hidden_size, config.num_attention_heads);
  return config;
}

function rotation(config: Config): Rope {
  const headSize = config.hidden_size / config.num_attention_heads;
  const part = config.partial_rotary_factor ?? config.rotary_pct;
  return ropeOf({ ...config, partial_rotary_factor: part }, headSize, config.rotary_emb_base);
}

function blockName(index: number): string {
  return `gpt_neox.layers.${index}`;
}

/** Queries, keys and values together, attention's output, and the feed-forward layer's two. */
function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { hidden_size: hidden, intermediate_size: wide, attention_bias: hasBias } = config;
  const block = blockName(index);
  return [
    plainLinear(`${block}.attention.query_key_value`, 3 * hidden, hidden, { hasBias }),
    plainLinear(`${block}.attention.dense`, hidden, hidden, { hasBias }),
    plainLinear(`${block}.mlp.dense_h_to_4h`, wide, hidden),
    plainLinear(`${block}.mlp.dense_4h_to_h`, hidden, wide),
  ];
}

/** The norms before attention and before the feed-forward layer. */
function normsOf(index: number): readonly string[] {
  return [`${blockName(index)}.input_layernorm`, `${blockName(index)}.post_attention_layernorm`];
}
