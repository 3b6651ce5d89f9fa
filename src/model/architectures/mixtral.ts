import { z } from "zod";
import { expertLinears } from "./experts.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import { attentionLinears, blockName, groupedKeys, headsOf } from "./grouped-decoder.js";
import { type MixtureBlock, mixtureFamily } from "./mixture-decoder.js";
import { gatedLinears } from "./plain-linear.js";
import { ropeOf } from "./rotary-config.js";

/* Mixtral (arXiv 2401.04088): a Mistral whose feed-forward layers are mixtures of experts. */

export const mixtral = mixtureFamily("mixtral", ["mixtral"], (raw) => {
  const config = parseFamilyConfig(configSchema, raw, "Mixtral");
  return { config, experts: config.num_local_experts, blockOf: (index) => blockOf(index, config) };
});

const configSchema = z.looseObject({
  ...groupedKeys,
  partial_rotary_factor: z.literal(1).nullish(),
  rms_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.literal(false).default(false),
  num_local_experts: z.int().positive().default(8),
  num_experts_per_tok: z.int().positive().default(2),
});

type Config = z.infer<typeof configSchema>;

function blockOf(index: number, config: Config): MixtureBlock {
  const activation = namedActivation(config.hidden_act);
  return {
    attention: attentionLinears(index, config),
    attentionFacts: {
      window: config.sliding_window ?? null,
      rope: ropeOf(config, headsOf(config).headSize, 1_000_000),
    },
    headNorms: null,
    feedForward: {
      router: `${blockName(index)}.block_sparse_moe.gate.weight`,
      ...{ chosen: config.num_experts_per_tok, isNormed: true, activation },
      experts: Array.from({ length: config.num_local_experts }, (_, expert) =>
        linearsOf(`${blockName(index)}.block_sparse_moe.experts.${expert}`, config),
      ),
    },
    activation,
  };
}

function linearsOf(expert: string, { hidden_size: hidden, intermediate_size: wide }: Config) {
  return expertLinears(gatedLinears([`${expert}.w1`, `${expert}.w3`, `${expert}.w2`], hidden, wide));
}
