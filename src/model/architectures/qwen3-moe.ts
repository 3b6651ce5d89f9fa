import { z } from "zod";
import { expertLinears } from "./experts.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import { attentionLinears, blockName, feedForwardLinears, groupedKeys, headsOf } from "./grouped-decoder.js";
import { type MixtureBlock, mixtureFamily } from "./mixture-decoder.js";
import { ropeOf } from "./rotary-config.js";

/* Qwen3 with experts (arXiv 2505.09388): norms on queries and keys, some layers without experts where it is asked for. */

export const qwen3Moe = mixtureFamily("qwen3-moe", ["qwen3_moe"], (raw) => {
  const config = parseFamilyConfig(configSchema, raw, "Qwen3 MoE");
  return { config, experts: config.num_experts, blockOf: (index) => blockOf(index, config) };
});

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

function blockOf(index: number, config: Config): MixtureBlock {
  const activation = namedActivation(config.hidden_act);
  const { hidden_size: hidden, use_sliding_window: slides, sliding_window: window = 4096 } = config;
  const layer = `${blockName(index)}.mlp`;
  return {
    attention: attentionLinears(index, config),
    attentionFacts: {
      window: slides ? window : null,
      rope: ropeOf(config, headsOf(config).headSize, 10_000),
    },
    headNorms: [`${blockName(index)}.self_attn.q_norm.weight`, `${blockName(index)}.self_attn.k_norm.weight`],
    feedForward: isSparse(index, config)
      ? {
          router: `${layer}.gate.weight`,
          ...{ chosen: config.num_experts_per_tok, isNormed: config.norm_topk_prob, activation },
          experts: Array.from({ length: config.num_experts }, (_, expert) =>
            expertLinears(
              feedForwardLinears(`${layer}.experts.${expert}`, hidden, config.moe_intermediate_size),
            ),
          ),
        }
      : feedForwardLinears(layer, hidden, config.intermediate_size),
    activation,
  };
}

/** Whether a block has experts. */
function isSparse(index: number, config: Config): boolean {
  const { mlp_only_layers: dense, num_experts: experts, decoder_sparse_step: step } = config;
  return !dense?.includes(index) && experts > 0 && (index + 1) % step === 0;
}
