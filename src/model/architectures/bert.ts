import { z } from "zod";
import type { Architecture } from "../architecture.js";
import { kindOf } from "../kind.js";
import { describeEncoder, type Encoder, embedForEncoder, openEncoderBlock, storedNorms } from "./encoder.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";
import { encoderReadout } from "./readouts.js";

/* BERT (arXiv 1810.04805). MiniLM and TinyBERT are BERTs by their configuration. */

export const bert: Architecture = {
  name: "bert",
  modelTypes: ["bert"],
  kinds: ["classification", "answering"],
  stored: storedNorms,

  describe(config, shapeOf) {
    const [encoder, kind] = [encoderOf(config), kindOf(config)];
    return describeEncoder(
      encoder,
      kind,
      encoderReadout(kind, encoder.hiddenSize, ["bert.pooler.dense", "classifier"], "tanh", shapeOf),
      shapeOf,
    );
  },
  embed: (embedded, batch, context) => embedForEncoder(embedded, batch, context, encoderOf(context.config)),
  openBlock: (index, context) => openEncoderBlock(index, context, encoderOf(context.config)),
  finalNorm: async (hidden) => hidden,
};

/** config.json of BERT, and of families that say the same in the same words. */
export const bertConfig = z.looseObject({
  model_type: z.string(),
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: blockCount,
  num_attention_heads: z.int().positive(),
  vocab_size: z.int().positive(),
  type_vocab_size: z.int().positive().default(2),
  max_position_embeddings: z.int().positive(),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_act: z.string().default("gelu"),
  position_embedding_type: z.literal("absolute").nullish(),
  is_decoder: z.literal(false).nullish(),
});

function encoderOf(raw: Readonly<Record<string, unknown>>): Encoder {
  return bertEncoder(parseFamilyConfig(bertConfig, raw, "BERT"), "bert", 0);
}

/** @param prefix what the names of tensors begin with. */
export function bertEncoder(
  config: z.infer<typeof bertConfig>,
  prefix: string,
  firstPosition: number,
): Encoder {
  dividedByHeads(config.hidden_size, config.num_attention_heads);
  return {
    modelType: config.model_type,
    hiddenSize: config.hidden_size,
    feedForwardSize: config.intermediate_size,
    blocks: config.num_hidden_layers,
    heads: config.num_attention_heads,
    vocabularySize: config.vocab_size,
    positions: config.max_position_embeddings,
    firstPosition,
    segments: config.type_vocab_size,
    epsilon: config.layer_norm_eps,
    activation: namedActivation(config.hidden_act),
    names: {
      embeddings: `${prefix}.embeddings`,
      block: `${prefix}.encoder.layer`,
      linears: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
      ],
      normAfterAttention: "attention.output.LayerNorm",
      normAfterFeedForward: "output.LayerNorm",
    },
  };
}
