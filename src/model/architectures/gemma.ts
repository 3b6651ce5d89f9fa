import { z } from "zod";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext } from "../architecture.js";
import type { Rope } from "../rope.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import {
  attentionLinears,
  blockName,
  describeGrouped,
  feedForwardLinears,
  groupedKeys,
  headsOf,
  lastNorm,
} from "./grouped-decoder.js";
import { residualBlock } from "./residual-block.js";
import { ropeOf } from "./rotary-config.js";

/*
 * Gemma (arXiv 2403.08295), Gemma 2 (2408.00118) and the text model of Gemma 3 (2503.19786). Embeddings are multiplied by
 * √hidden, weights of norms are stored less 1. From Gemma 2 on layers have norms on either side, and some attend to a window
 * only; Gemma 2 caps scores and logits, Gemma 3 has norms on queries and keys and a rotary base of its own for windows.
 */

export const gemma: Architecture = {
  name: "gemma",
  modelTypes: ["gemma", "gemma2", "gemma3_text"],
  kinds: ["causal", "classification"],

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const { headSize } = headsOf(config);
    for (const index of blocks.keys()) rotation(index, config);
    const headNorms = blocks.flatMap((_, index) =>
      hasHeadNorms(config)
        ? ["q_norm", "k_norm"].map((norm) => `${blockName(index)}.self_attn.${norm}.weight`)
        : [],
    );
    const decoder = {
      ...{ config, blocks, isTied: config.tie_word_embeddings, logitCap: finalCap(config) },
      norms: () => (hasSandwich(config) ? sandwich : ["input_layernorm", "post_attention_layernorm"]),
      others: Object.fromEntries(headNorms.map((norm) => [norm, [headSize]])),
    };
    return describeGrouped(raw, decoder, shapeOf);
  },

  async embed(embedded, _, { config: raw }) {
    const factor = Math.sqrt(parseConfig(raw).hidden_size);
    const { rows, columns, data } = embedded;
    return matrix(
      rows,
      columns,
      data.map((value) => value * factor),
    );
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const norm = (name: string) => openNorm(`${blockName(index)}.${name}`, config, context);
    const [before, after] = hasSandwich(config)
      ? [await norm("input_layernorm"), await norm("post_attention_layernorm")]
      : [await norm("input_layernorm"), unchanged];
    const [beforeFeedForward, afterFeedForward] = hasSandwich(config)
      ? [await norm("pre_feedforward_layernorm"), await norm("post_feedforward_layernorm")]
      : [await norm("post_attention_layernorm"), unchanged];
    const [q, k, v, o, gate, up, down] = blockLinears(index, config).map(({ name }) => name);
    const activation = activationOf(config);
    const headNorms = hasHeadNorms(config)
      ? {
          query: await normWeight(`${blockName(index)}.self_attn.q_norm`, context),
          key: await normWeight(`${blockName(index)}.self_attn.k_norm`, context),
          epsilon: config.rms_norm_eps,
        }
      : null;
    const attentionFacts = {
      ...headsOf(config),
      ...{ scale: scaleOf(config), softcap: scoreCap(config), norms: headNorms },
      ...{ rope: rotation(index, config), window: windowOf(index, config) },
    };

    const attend = async (hidden: Matrix, length: number) => {
      const [query, key, value] = await executor.run([q, k, v], await before(hidden));
      return ops.attention({ query, key, value, length, ...attentionFacts });
    };
    const widen = async (middle: Matrix) => {
      const [gated, upped] = await executor.run([gate, up], await beforeFeedForward(middle));
      return ops.gatedActivation(gated, upped, activation);
    };
    return residualBlock(context, {
      ...{ attend, attentionOutput: o, widen, feedForwardOutput: down },
      afterAttention: async (hidden, out) => ops.add(hidden, await after(out)),
      afterFeedForward: async (middle, out) => ops.add(middle, await afterFeedForward(out)),
    });
  },

  async finalNorm(hidden, context) {
    const norm = await openNorm(lastNorm, parseConfig(context.config), context);
    return norm(hidden);
  },
};

const layerType = z.enum(["full_attention", "sliding_attention"]);

const configSchema = z.looseObject({
  ...groupedKeys,
  partial_rotary_factor: z.literal(1).nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  head_dim: z.int().positive().default(256),
  hidden_act: z.string().default("gelu_pytorch_tanh"),
  hidden_activation: z.string().nullish(),
  tie_word_embeddings: z.boolean().default(true),
  query_pre_attn_scalar: z.number().positive().default(256),
  attn_logit_softcapping: z.number().positive().nullish(),
  final_logit_softcapping: z.number().positive().nullish(),
  sliding_window: z.int().positive().default(4096),
  sliding_window_pattern: z.int().positive().default(6),
  layer_types: z.array(layerType).nullish(),
  rope_local_base_freq: z.number().positive().default(10_000),
  use_bidirectional_attention: z.literal(false).nullish(),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  return parseFamilyConfig(configSchema, raw, "Gemma");
}

const sandwich = [
  "input_layernorm",
  "post_attention_layernorm",
  "pre_feedforward_layernorm",
  "post_feedforward_layernorm",
];

/** Whether there is a norm behind each layer too, before it is added. */
function hasSandwich({ model_type: type }: Config): boolean {
  return type !== "gemma";
}

function hasHeadNorms({ model_type: type }: Config): boolean {
  return type === "gemma3_text";
}

/** Gemma's older name for it was overruled by the newer where both are. */
function activationOf({ hidden_activation: newer, hidden_act: older }: Config) {
  return namedActivation(newer ?? older);
}

/** Gemma scales by the size of its heads; the others say by what. */
function scaleOf(config: Config): number | undefined {
  return config.model_type === "gemma" ? undefined : 1 / Math.sqrt(config.query_pre_attn_scalar);
}

/** A key that is left out has the value that transformers gives it; only null switches it off. */
function scoreCap({ model_type: type, attn_logit_softcapping: cap }: Config): number | undefined {
  return type === "gemma2" ? (cap === undefined ? 50 : (cap ?? undefined)) : undefined;
}

function finalCap({ model_type: type, final_logit_softcapping: cap }: Config): number | null {
  if (type === "gemma") return null;
  return cap === undefined && type === "gemma2" ? 30 : (cap ?? null);
}

/** Gemma 2 slides in every second layer, Gemma 3 in all but every sixth. */
function slides(index: number, config: Config): boolean {
  const { model_type: type, layer_types: types, sliding_window_pattern: pattern } = config;
  if (type === "gemma") return false;
  if (types) return types[index] === "sliding_attention";
  return (index + 1) % (type === "gemma2" ? 2 : pattern) !== 0;
}

function windowOf(index: number, config: Config): number | null {
  return slides(index, config) ? config.sliding_window : null;
}

function rotation(index: number, config: Config): Rope {
  const { headSize } = headsOf(config);
  if (config.model_type !== "gemma3_text") return ropeOf(config, headSize, 10_000);
  if (!slides(index, config)) return ropeOf(config, headSize, 1_000_000);
  const local = { rope_scaling: null, rope_parameters: null, rope_theta: config.rope_local_base_freq };
  return ropeOf({ ...config, ...local }, headSize, config.rope_local_base_freq);
}

/** Query, key, value, attention's output, gate, up and down. */
function blockLinears(index: number, config: Config) {
  const feedForward = feedForwardLinears(
    `${blockName(index)}.mlp`,
    config.hidden_size,
    config.intermediate_size,
  );
  return [...attentionLinears(index, config), ...feedForward];
}

async function openNorm(
  name: string,
  { rms_norm_eps: epsilon }: Config,
  context: Pick<ComputingContext, "ops" | "vector">,
): Promise<(x: Matrix) => Promise<Matrix>> {
  const weight = await normWeight(name, context);
  return (x) => context.ops.rmsNorm(x, weight, epsilon);
}

async function normWeight(name: string, { vector }: Pick<ComputingContext, "vector">): Promise<Float32Array> {
  const stored = await vector(`${name}.weight`);
  return stored.map((value) => 1 + value);
}

async function unchanged(x: Matrix): Promise<Matrix> {
  return x;
}
