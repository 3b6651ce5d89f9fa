import { z } from "zod";
import type { Architecture, ComputingContext } from "../architecture.js";
import { checkExperts, expertLinears } from "./experts.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import {
  attentionLinears,
  blockName,
  describeGrouped,
  feedForwardLinears,
  groupedKeys,
  headsOf,
  lastNorm,
  rmsNorm,
} from "./grouped-decoder.js";
import { linearsOfBlock, type MixtureBlock, mixtureNorms, openMixtureBlock } from "./mixture-decoder.js";
import { ropeOf } from "./rotary-config.js";

/* Qwen3 with experts (arXiv 2505.09388): norms on queries and keys, some layers without experts where it is asked for. */

export const qwen3Moe: Architecture = {
  name: "qwen3-moe",
  modelTypes: ["qwen3_moe"],
  kinds: ["causal", "classification"],

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => blockOf(index, config));
    const { headSize } = headsOf(config);
    const others = blocks.flatMap((_, index): [string, readonly number[]][] => [
      ...headNorms(index).map((norm): [string, readonly number[]] => [norm, [headSize]]),
      ...(isSparse(index, config)
        ? [[routerOf(index), [config.num_experts, config.hidden_size]] as [string, readonly number[]]]
        : []),
    ]);
    const decoder = {
      ...{ config, isTied: config.tie_word_embeddings, norms: () => mixtureNorms },
      blocks: blocks.map(linearsOfBlock),
      others: Object.fromEntries(others),
    };
    return describeGrouped(raw, decoder, shapeOf);
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const block = blockOf(index, config);
    const [query, key] = await Promise.all(headNorms(index).map((norm) => context.vector(norm)));
    const norms = { query, key, epsilon: config.rms_norm_eps };
    return openMixtureBlock(index, { ...block, attentionFacts: { ...block.attentionFacts, norms } }, context);
  },

  async finalNorm(hidden, context) {
    const norm = await rmsNorm(lastNorm, parseConfig(context.config).rms_norm_eps, context);
    return norm(hidden);
  },
};

const configSchema = z.looseObject({
  ...groupedKeys,
  partial_rotary_factor: z.literal(1).nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  use_sliding_window: z.boolean().default(false),
  sliding_window: z.int().positive().nullish(),
  num_experts: z.int().min(0).default(128),
  num_experts_per_tok: z.int().positive().default(8),
  norm_topk_prob: z.boolean().default(false),
  moe_intermediate_size: z.int().positive().default(768),
  decoder_sparse_step: z.int().positive().default(1),
  mlp_only_layers: z.array(z.int()).nullish(),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  const config = parseFamilyConfig(configSchema, raw, "Qwen3 MoE");
  checkExperts(config.num_hidden_layers, config.num_experts);
  return config;
}

/** Without the norms of queries and keys, which have to be read. */
function blockOf(index: number, config: Config): MixtureBlock {
  const heads = headsOf(config);
  const activation = namedActivation(config.hidden_act);
  const { hidden_size: hidden, use_sliding_window: slides, sliding_window: window = 4096 } = config;
  const layer = `${blockName(index)}.mlp`;
  return {
    attention: attentionLinears(index, config),
    attentionFacts: {
      ...heads,
      ...{ norms: null, window: slides ? window : null },
      rope: ropeOf(config, heads.headSize, 10_000),
    },
    feedForward: isSparse(index, config)
      ? {
          ...{ router: routerOf(index), chosen: config.num_experts_per_tok, activation },
          isNormed: config.norm_topk_prob,
          experts: Array.from({ length: config.num_experts }, (_, expert) =>
            expertLinears(
              feedForwardLinears(`${layer}.experts.${expert}`, hidden, config.moe_intermediate_size),
            ),
          ),
        }
      : feedForwardLinears(layer, hidden, config.intermediate_size),
    ...{ activation, epsilon: config.rms_norm_eps },
  };
}

/** Whether a block has experts. */
function isSparse(index: number, config: Config): boolean {
  const { mlp_only_layers: dense, num_experts: experts, decoder_sparse_step: step } = config;
  return !dense?.includes(index) && experts > 0 && (index + 1) % step === 0;
}

function routerOf(index: number): string {
  return `${blockName(index)}.mlp.gate.weight`;
}

/** Of queries and of keys. */
function headNorms(index: number): readonly string[] {
  return ["q_norm", "k_norm"].map((norm) => `${blockName(index)}.self_attn.${norm}.weight`);
}
