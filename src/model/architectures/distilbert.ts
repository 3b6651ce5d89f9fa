import { z } from "zod";
import { type Encoder, encoderFamily } from "./encoder.js";
import { blockCount, dividedByHeads, namedActivation, parseFamilyConfig } from "./family-config.js";

/* DistilBERT (arXiv 1910.01108): half the blocks of a BERT, without kinds of tokens and without a pooler. */

export const distilbert = encoderFamily("distilbert", encoderOf);

const configSchema = z.looseObject({
  model_type: z.string(),
  dim: z.int().positive(),
  hidden_dim: z.int().positive(),
  n_layers: blockCount,
  n_heads: z.int().positive(),
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  activation: z.string().default("gelu"),
});

function encoderOf(raw: Readonly<Record<string, unknown>>): Encoder {
  const config = parseFamilyConfig(configSchema, raw, "DistilBERT");
  dividedByHeads(config.dim, config.n_heads);
  return {
    modelType: config.model_type,
    hiddenSize: config.dim,
    feedForwardSize: config.hidden_dim,
    blocks: config.n_layers,
    heads: config.n_heads,
    vocabularySize: config.vocab_size,
    positions: config.max_position_embeddings,
    firstPosition: 0,
    segments: 0,
    epsilon: 1e-12, // in no configuration
    activation: namedActivation(config.activation),
    classifierActivation: "relu",
    names: {
      embeddings: "distilbert.embeddings",
      block: "distilbert.transformer.layer",
      linears: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
      ],
      normAfterAttention: "sa_layer_norm",
      normAfterFeedForward: "output_layer_norm",
      classifier: ["pre_classifier", "classifier"],
    },
  };
}
