import { z } from "zod";
import { columnRuns, type Matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext, LinearInfo, StoredAs } from "../architecture.js";
import { kindOf } from "../kind.js";
import { described, normShapes } from "./described.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";
import { layerNorm } from "./layer-norm.js";
import { headLinear, plainLinear } from "./plain-linear.js";
import { positionRows } from "./positions.js";
import { decoderReadout } from "./readouts.js";
import { residualBlock } from "./residual-block.js";

/*
 * GPT-2: a table of positions, norms before attention and feed-forward layer, queries, keys and values by one linear.
 * Checkpoints hold its linears as `[K, N]` (Conv1D), and on the hub without the names' first part.
 */

export const gpt2: Architecture = {
  name: "gpt2",
  modelTypes: ["gpt2"],
  kinds: ["causal", "classification"],
  stored: storedTensors,

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const { n_embd: hidden, vocab_size: vocabulary } = config;
    const blocks = Array.from({ length: config.n_layer }, (_, index) => blockLinears(index, config));
    const tied = config.tie_word_embeddings ? embedding : null;
    const norms = [
      ...blocks.flatMap((_, index) => [`${blockName(index)}.ln_1`, `${blockName(index)}.ln_2`]),
      lastNorm,
    ];
    return described(
      {
        ...{ modelType: config.model_type, blocks, embedding, hiddenSize: hidden },
        ...decoderReadout(kindOf(raw), headLinear(vocabulary, hidden, tied), shapeOf),
        feedForwardSize: config.n_inner ?? 4 * hidden,
        vocabularySize: vocabulary,
        contextLength: config.n_positions,
        others: {
          [embedding]: [vocabulary, hidden],
          [positions]: [config.n_positions, hidden],
          ...normShapes(norms, hidden),
        },
      },
      shapeOf,
    );
  },

  async embed(embedded, batch, { config, ops, rows }) {
    const { n_positions: most } = parseConfig(config);
    return ops.add(embedded, await rows(positions, positionRows(batch, 0, most)));
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const { n_embd: hiddenSize, n_head: heads, layer_norm_epsilon: epsilon } = config;
    const beforeAttention = await layerNorm(`${blockName(index)}.ln_1`, epsilon, context);
    const beforeFeedForward = await layerNorm(`${blockName(index)}.ln_2`, epsilon, context);
    const [qkv, o, up, down] = blockLinears(index, config).map(({ name }) => name);
    const activation = namedActivation(config.activation_function);

    const attend = async (hidden: Matrix, length: number) => {
      const [fused] = await executor.run([qkv], await beforeAttention(hidden));
      const [query, key, value] = [0, 1, 2].map((at) => columnRuns(fused, [at * hiddenSize], hiddenSize));
      return ops.attention({
        ...{ query, key, value, heads, keyValueHeads: heads, headSize: hiddenSize / heads, length },
        ...{ scale: scaleOf(config, index), rope: null, norms: null, window: null },
      });
    };
    const widen = async (middle: Matrix) => {
      const [wide] = await executor.run([up], await beforeFeedForward(middle));
      return ops.activation(wide, activation);
    };
    return residualBlock(context, { attend, attentionOutput: o, widen, feedForwardOutput: down });
  },

  async finalNorm(hidden, context) {
    const norm = await layerNorm(lastNorm, parseConfig(context.config).layer_norm_epsilon, context);
    return norm(hidden);
  },
};

const embedding = "transformer.wte.weight";
const positions = "transformer.wpe.weight";
const lastNorm = "transformer.ln_f";

function storedTensors(names: ReadonlySet<string>): ReadonlyMap<string, StoredAs> {
  const stored = new Map<string, StoredAs>();
  for (const name of names) {
    const isBare = /^(wte|wpe|h|ln_f)\./.test(name);
    const isTransposed = /(^|\.)h\.\d+\.(attn|mlp)\.c_(attn|proj|fc)\.weight$/.test(name);
    if (isBare || isTransposed) stored.set(isBare ? `transformer.${name}` : name, { name, isTransposed });
  }
  return stored;
}

const configSchema = z.looseObject({
  model_type: z.string(),
  n_embd: z.int().positive(),
  n_layer: blockCount,
  n_head: z.int().positive(),
  n_inner: z.int().positive().nullish(),
  n_positions: z.int().positive(),
  vocab_size: z.int().positive(),
  activation_function: z.string().default("gelu_new"),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.literal(false).nullish(),
  tie_word_embeddings: z.boolean().default(true),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  const config = parseFamilyConfig(configSchema, raw, "GPT-2");
  dividedByHeads(config.n_embd, config.n_head);
  return config;
}

function blockName(index: number): string {
  return `transformer.h.${index}`;
}

/** Queries, keys and values together, attention's output, and the feed-forward layer's two. */
function blockLinears(index: number, { n_embd: hidden, n_inner }: Config): readonly LinearInfo[] {
  const wide = n_inner ?? 4 * hidden;
  return [
    plainLinear(`${blockName(index)}.attn.c_attn`, 3 * hidden, hidden),
    plainLinear(`${blockName(index)}.attn.c_proj`, hidden, hidden),
    plainLinear(`${blockName(index)}.mlp.c_fc`, wide, hidden),
    plainLinear(`${blockName(index)}.mlp.c_proj`, hidden, wide),
  ];
}

function scaleOf(config: Config, index: number): number {
  const scale = config.scale_attn_weights ? 1 / Math.sqrt(config.n_embd / config.n_head) : 1;
  return config.scale_attn_by_inverse_layer_idx ? scale / (index + 1) : scale;
}
