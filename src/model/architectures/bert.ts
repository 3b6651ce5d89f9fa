import { z } from "zod";
import { type Encoder, type EncoderNames, encoderFamily } from "./encoder.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";

/* BERT (arXiv 1810.04805). MiniLM and TinyBERT are BERTs by their configuration. */

export const bert = encoderFamily("bert", encoderOf);

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
  const config = parseFamilyConfig(bertConfig, raw, "BERT");
  const classifier = ["bert.pooler.dense", "classifier"] as const;
  return bertEncoder(config, { prefix: "bert", firstPosition: 0, classifier });
}

/** In what families differ that say the same in config.json. */
interface OwnWays {
  /** What the names of tensors begin with. */
  readonly prefix: string;
  readonly firstPosition: number;
  readonly classifier: EncoderNames["classifier"];
}

export function bertEncoder(
  config: z.infer<typeof bertConfig>,
  { prefix, firstPosition, classifier }: OwnWays,
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
    classifierActivation: "tanh",
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
      classifier,
    },
  };
}
