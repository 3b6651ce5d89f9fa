import { z } from "zod";
import type { Architecture } from "../architecture.js";
import { checkExperts, expertLinears } from "./experts.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import {
  attentionLinears,
  blockName,
  describeGrouped,
  groupedKeys,
  headsOf,
  lastNorm,
  rmsNorm,
} from "./grouped-decoder.js";
import { linearsOfBlock, type MixtureBlock, mixtureNorms, openMixtureBlock } from "./mixture-decoder.js";
import { gatedLinears } from "./plain-linear.js";
import { ropeOf } from "./rotary-config.js";

/* Mixtral (arXiv 2401.04088): a Mistral whose feed-forward layers are mixtures of experts. */

export const mixtral: Architecture = {
  name: "mixtral",
  modelTypes: ["mixtral"],
  kinds: ["causal", "classification"],

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => blockOf(index, config));
    const decoder = {
      ...{ config, isTied: config.tie_word_embeddings, norms: () => mixtureNorms },
      blocks: blocks.map(linearsOfBlock),
      others: Object.fromEntries(
        blocks.map((_, index) => [routerOf(index), [config.num_local_experts, config.hidden_size]]),
      ),
    };
    return describeGrouped(raw, decoder, shapeOf);
  },

  openBlock: (index, context) =>
    openMixtureBlock(index, blockOf(index, parseConfig(context.config)), context),

  async finalNorm(hidden, context) {
    const norm = await rmsNorm(lastNorm, parseConfig(context.config).rms_norm_eps, context);
    return norm(hidden);
  },
};

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

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  const config = parseFamilyConfig(configSchema, raw, "Mixtral");
  checkExperts(config.num_hidden_layers, config.num_local_experts);
  return config;
}

function blockOf(index: number, config: Config): MixtureBlock {
  const heads = headsOf(config);
  const activation = namedActivation(config.hidden_act);
  return {
    attention: attentionLinears(index, config),
    attentionFacts: {
      ...heads,
      ...{ norms: null, window: config.sliding_window ?? null },
      rope: ropeOf(config, heads.headSize, 1_000_000),
    },
    feedForward: {
      ...{ router: routerOf(index), chosen: config.num_experts_per_tok, isNormed: true, activation },
      experts: Array.from({ length: config.num_local_experts }, (_, expert) =>
        linearsOf(`${blockName(index)}.block_sparse_moe.experts.${expert}`, config),
      ),
    },
    ...{ activation, epsilon: config.rms_norm_eps },
  };
}

function routerOf(index: number): string {
  return `${blockName(index)}.block_sparse_moe.gate.weight`;
}

function linearsOf(expert: string, { hidden_size: hidden, intermediate_size: wide }: Config) {
  return expertLinears(gatedLinears([`${expert}.w1`, `${expert}.w3`, `${expert}.w2`], hidden, wide));
}
