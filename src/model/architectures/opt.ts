import { z } from "zod";
import type { Matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext, LinearInfo } from "../architecture.js";
import { kindOf } from "../kind.js";
import { described, normShapes } from "./described.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";
import { layerNorm } from "./layer-norm.js";
import { headLinear, plainLinear } from "./plain-linear.js";
import { positionRows } from "./positions.js";
import { decoderReadout } from "./readouts.js";
import { residualBlock } from "./residual-block.js";
import { withPrefix } from "./stored-names.js";

/*
 * OPT (arXiv 2205.01068): a table of positions that begins with two rows of no token, a feed-forward layer of ReLUs. The
 * 350M model is another: norms after its layers, and an embedding narrower than its states with a linear on either side.
 */

export const opt: Architecture = {
  name: "opt",
  modelTypes: ["opt"],
  kinds: ["causal", "classification"],
  stored: (names) => withPrefix("model.", ["decoder."], names),

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const { hidden_size: hidden, vocab_size: vocabulary } = config;
    const narrow = embeddingSize(config);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const tied = config.tie_word_embeddings ? embedding : null;
    const norms = [
      ...blocks.flatMap((_, index) => normsOf(index)),
      ...(hasLastNorm(config) ? [lastNorm] : []),
    ];
    return described(
      {
        ...{ modelType: config.model_type, blocks, embedding, hiddenSize: hidden },
        ...decoderReadout(kindOf(raw), headLinear(vocabulary, narrow, tied), shapeOf),
        feedForwardSize: config.ffn_dim,
        vocabularySize: vocabulary,
        contextLength: config.max_position_embeddings,
        others: {
          [embedding]: [vocabulary, narrow],
          [positions]: [config.max_position_embeddings + firstPosition, hidden],
          ...(narrow !== hidden && { [projectIn]: [hidden, narrow], [projectOut]: [narrow, hidden] }),
          ...normShapes(norms, hidden),
        },
      },
      shapeOf,
    );
  },

  async embed(embedded, batch, { config: raw, ops, rows, matrix }) {
    const config = parseConfig(raw);
    const most = config.max_position_embeddings + firstPosition;
    const isNarrow = embeddingSize(config) !== config.hidden_size;
    const wide = isNarrow ? await ops.linear(embedded, await matrix(projectIn), null) : embedded;
    return ops.add(wide, await rows(positions, positionRows(batch, firstPosition, most)));
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const { hidden_size: hiddenSize, num_attention_heads: heads, do_layer_norm_before: isBefore } = config;
    const [attentionNorm, feedForwardNorm] = await Promise.all(
      normsOf(index).map((norm) => layerNorm(norm, epsilon, context)),
    );
    const [q, k, v, o, up, down] = blockLinears(index, config).map(({ name }) => name);
    const activation = namedActivation(config.activation_function);

    const attend = async (hidden: Matrix, length: number) => {
      const input = isBefore ? await attentionNorm(hidden) : hidden;
      const [query, key, value] = await executor.run([q, k, v], input);
      return ops.attention({
        ...{ query, key, value, heads, keyValueHeads: heads, headSize: hiddenSize / heads, length },
        ...{ rope: null, norms: null, window: null },
      });
    };
    const widen = async (middle: Matrix) => {
      const [wide] = await executor.run([up], isBefore ? await feedForwardNorm(middle) : middle);
      return ops.activation(wide, activation);
    };
    const block = { attend, attentionOutput: o, widen, feedForwardOutput: down };
    if (isBefore) return residualBlock(context, block);
    return residualBlock(context, {
      ...block,
      afterAttention: async (hidden, out) => attentionNorm(await ops.add(hidden, out)),
      afterFeedForward: async (middle, out) => feedForwardNorm(await ops.add(middle, out)),
    });
  },

  async finalNorm(hidden, context) {
    const config = parseConfig(context.config);
    const normed = hasLastNorm(config)
      ? await layerNorm(lastNorm, epsilon, context).then((norm) => norm(hidden))
      : hidden;
    if (embeddingSize(config) === config.hidden_size) return normed;
    return context.ops.linear(normed, await context.matrix(projectOut), null);
  },
};

const embedding = "model.decoder.embed_tokens.weight";
const positions = "model.decoder.embed_positions.weight";
const projectIn = "model.decoder.project_in.weight";
const projectOut = "model.decoder.project_out.weight";
const lastNorm = "model.decoder.final_layer_norm";

/** Rows of the table of positions that no token has. */
const firstPosition = 2;

/** PyTorch's: it is in no configuration. */
const epsilon = 1e-5;

const configSchema = z.looseObject({
  model_type: z.string(),
  hidden_size: z.int().positive(),
  ffn_dim: z.int().positive(),
  num_hidden_layers: blockCount,
  num_attention_heads: z.int().positive(),
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  word_embed_proj_dim: z.int().positive().nullish(),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  activation_function: z.string().default("relu"),
  enable_bias: z.boolean().default(true),
  layer_norm_elementwise_affine: z.literal(true).nullish(),
  tie_word_embeddings: z.boolean().default(true),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  const config = parseFamilyConfig(configSchema, raw, "OPT");
  dividedByHeads(config.hidden_size, config.num_attention_heads);
  return config;
}

function embeddingSize({ word_embed_proj_dim, hidden_size }: Config): number {
  return word_embed_proj_dim ?? hidden_size;
}

function hasLastNorm({ do_layer_norm_before, _remove_final_layer_norm }: Config): boolean {
  return do_layer_norm_before && !_remove_final_layer_norm;
}

/** Query, key, value, attention's output, and the feed-forward layer's two. */
function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { hidden_size: hidden, ffn_dim: wide, num_attention_heads: heads, enable_bias: hasBias } = config;
  const block = `model.decoder.layers.${index}`;
  const attention = { rows: 3 * hidden, keyValueHeads: heads, headSize: hidden / heads };
  return [
    plainLinear(`${block}.self_attn.q_proj`, hidden, hidden, { hasBias, attention }),
    plainLinear(`${block}.self_attn.k_proj`, hidden, hidden, { hasBias, attention }),
    plainLinear(`${block}.self_attn.v_proj`, hidden, hidden, { hasBias, attention }),
    plainLinear(`${block}.self_attn.out_proj`, hidden, hidden, { hasBias }),
    plainLinear(`${block}.fc1`, wide, hidden, { hasBias }),
    plainLinear(`${block}.fc2`, hidden, wide, { hasBias }),
  ];
}

/** Those of attention and of the feed-forward layer. */
function normsOf(index: number): readonly string[] {
  const block = `model.decoder.layers.${index}`;
  return [`${block}.self_attn_layer_norm`, `${block}.final_layer_norm`];
}
