import { z } from "zod";
import { columnRuns, type Matrix, matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext, LinearInfo } from "../architecture.js";
import { kindOf } from "../kind.js";
import { described, normShapes } from "./described.js";
import { blockCount, dividedByHeads, parseFamilyConfig } from "./family-config.js";
import { layerNorm } from "./layer-norm.js";
import { headLinear, plainLinear } from "./plain-linear.js";
import { decoderReadout } from "./readouts.js";
import { withPrefix } from "./stored-names.js";

/*
 * BLOOM (arXiv 2211.05100): positions by ALiBi (arXiv 2108.12409), a norm behind the embedding, queries, keys and values of a
 * head next to each other in one linear.
 */

export const bloom: Architecture = {
  name: "bloom",
  modelTypes: ["bloom"],
  kinds: ["causal", "classification"],
  stored: (names) => withPrefix("transformer.", ["word_embeddings", "h.", "ln_f."], names),

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const { hidden, vocabulary } = config;
    const blocks = Array.from({ length: config.blocks }, (_, index) => blockLinears(index, hidden));
    const tied = config.isTied ? embedding : null;
    const norms = [firstNorm, ...blocks.flatMap((_, index) => normsOf(index)), lastNorm];
    return described(
      {
        ...{ modelType: "bloom", blocks, embedding, hiddenSize: hidden },
        ...decoderReadout(kindOf(raw), headLinear(vocabulary, hidden, tied), shapeOf),
        feedForwardSize: 4 * hidden,
        vocabularySize: vocabulary,
        contextLength: config.contextLength,
        others: { [embedding]: [vocabulary, hidden], ...normShapes(norms, hidden) },
      },
      shapeOf,
    );
  },

  async embed(embedded, _, { config, ops, vector }) {
    const norm = await layerNorm(firstNorm, parseConfig(config).epsilon, { ops, vector });
    return norm(embedded);
  },

  async openBlock(index, context: ComputingContext) {
    const { hidden: hiddenSize, heads, epsilon, residualBehindNorm } = parseConfig(context.config);
    const { ops, executor } = context;
    const headSize = hiddenSize / heads;
    const [beforeAttention, beforeFeedForward] = await Promise.all(
      normsOf(index).map((norm) => layerNorm(norm, epsilon, context)),
    );
    const [qkv, o, up, down] = blockLinears(index, hiddenSize).map(({ name }) => name);

    const attend = async (normed: Matrix, length: number) => {
      const [fused] = await executor.run([qkv], normed);
      const attended = await ops.attention({
        ...withAlibi(fused, heads, length),
        ...{ heads, keyValueHeads: heads, headSize: headSize + 1, length, scale: 1 / Math.sqrt(headSize) },
        ...{ rope: null, norms: null, window: null },
      });
      return columnRuns(attended, firstsOf(heads, headSize + 1), headSize);
    };
    const attention = async (hidden: Matrix, length: number) => {
      const normed = await beforeAttention(hidden);
      const [out] = await executor.run([o], await attend(normed, length));
      return ops.add(out, residualBehindNorm ? normed : hidden);
    };
    const widen = async (normed: Matrix) => {
      const [wide] = await executor.run([up], normed);
      return ops.activation(wide, "gelu-tanh");
    };
    const feedForward = async (middle: Matrix) => {
      const normed = await beforeFeedForward(middle);
      const [out] = await executor.run([down], await widen(normed));
      return ops.add(out, residualBehindNorm ? normed : middle);
    };
    return (hidden, length) => attention(hidden, length).then(feedForward);
  },

  async finalNorm(hidden, context) {
    const norm = await layerNorm(lastNorm, parseConfig(context.config).epsilon, context);
    return norm(hidden);
  },
};

/**
 * Queries, keys and values with one more channel a head, by which a score grows with the key's position, as ALiBi has it:
 * q · k / √size + slope · position = (q, slope · √size) · (k, position) / √size.
 *
 * @param fused `[tokens, heads · (query, key, value)]`.
 */
function withAlibi(fused: Matrix, heads: number, length: number) {
  const size = fused.columns / (3 * heads);
  const slopes = alibiSlopes(heads);
  const part = (at: number, channel: (head: number, position: number) => number) => {
    const out = matrix(fused.rows, heads * (size + 1));
    for (let token = 0, to = 0; token < fused.rows; token++) {
      for (let head = 0; head < heads; head++, to += size + 1) {
        const from = token * fused.columns + (3 * head + at) * size;
        out.data.set(fused.data.subarray(from, from + size), to);
        out.data[to + size] = channel(head, token % length);
      }
    }
    return out;
  };
  return {
    query: part(0, (head) => slopes[head] * Math.sqrt(size)),
    key: part(1, (_, position) => position),
    value: part(2, () => 0),
  };
}

/**
 * 2^(−8 / n), 2^(−16 / n), … for n heads; where n is no power of two, those of the power below it, and of the power above
 * every second one (arXiv 2108.12409 §3 and the authors' code).
 */
function alibiSlopes(heads: number): readonly number[] {
  const below = 2 ** Math.floor(Math.log2(heads));
  const own = Array.from({ length: below }, (_, i) => 2 ** ((-8 * (i + 1)) / below));
  const between = Array.from({ length: heads - below }, (_, i) => 2 ** ((-8 * (2 * i + 1)) / (2 * below)));
  return [...own, ...between];
}

/** Where runs of `size` columns begin. */
function firstsOf(count: number, size: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at * size);
}

const embedding = "transformer.word_embeddings.weight";
const firstNorm = "transformer.word_embeddings_layernorm";
const lastNorm = "transformer.ln_f";

const size = z.int().positive().nullish();

/** On the hub sizes go by several names. */
const configSchema = z.looseObject({
  hidden_size: size,
  n_embed: size,
  n_layer: blockCount.nullish(),
  num_hidden_layers: blockCount.nullish(),
  n_head: size,
  num_attention_heads: size,
  vocab_size: z.int().positive(),
  seq_length: z.int().positive().default(2048),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  apply_residual_connection_post_layernorm: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});

function parseConfig(raw: Readonly<Record<string, unknown>>) {
  const config = parseFamilyConfig(configSchema, raw, "BLOOM");
  const given = {
    hidden_size: config.n_embed ?? config.hidden_size,
    n_layer: config.n_layer ?? config.num_hidden_layers,
    n_head: config.n_head ?? config.num_attention_heads,
  };
  const sizes = parseFamilyConfig(requiredSizes, given, "BLOOM");
  dividedByHeads(sizes.hidden_size, sizes.n_head);
  return {
    hidden: sizes.hidden_size,
    blocks: sizes.n_layer,
    heads: sizes.n_head,
    vocabulary: config.vocab_size,
    contextLength: config.seq_length,
    epsilon: config.layer_norm_epsilon,
    residualBehindNorm: config.apply_residual_connection_post_layernorm,
    isTied: config.tie_word_embeddings,
  };
}

const requiredSizes = z.object({
  hidden_size: z.int().positive(),
  n_layer: blockCount,
  n_head: z.int().positive(),
});

function blockName(index: number): string {
  return `transformer.h.${index}`;
}

/** Queries, keys and values together, attention's output, and the feed-forward layer's two. */
function blockLinears(index: number, hidden: number): readonly LinearInfo[] {
  const block = blockName(index);
  return [
    plainLinear(`${block}.self_attention.query_key_value`, 3 * hidden, hidden),
    plainLinear(`${block}.self_attention.dense`, hidden, hidden),
    plainLinear(`${block}.mlp.dense_h_to_4h`, 4 * hidden, hidden),
    plainLinear(`${block}.mlp.dense_4h_to_h`, hidden, 4 * hidden),
  ];
}

/** The norms before attention and before the feed-forward layer. */
function normsOf(index: number): readonly string[] {
  return [`${blockName(index)}.input_layernorm`, `${blockName(index)}.post_attention_layernorm`];
}
