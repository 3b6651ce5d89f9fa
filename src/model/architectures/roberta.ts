import { z } from "zod";
import { LuthierError } from "../../error.js";
import { bertConfig, bertEncoder } from "./bert.js";
import { type Encoder, encoderFamily } from "./encoder.js";
import { parseFamilyConfig } from "./family-config.js";

/*
 * RoBERTa (arXiv 1907.11692): a BERT whose positions begin behind the id of padding, as fairseq counts them, and whose
 * classifier reads the first token, `<s>`, without a pooler.
 */

export const roberta = encoderFamily("roberta", encoderOf);

const configSchema = bertConfig.extend({ pad_token_id: z.int().min(0).default(1) });

function encoderOf(raw: Readonly<Record<string, unknown>>): Encoder {
  const config = parseFamilyConfig(configSchema, raw, "RoBERTa");
  const { pad_token_id: padding, max_position_embeddings: positions } = config;
  if (positions <= padding + 1) {
    throw new LuthierError(
      `config.json: of ${positions} positions the first ${padding + 1} belong to padding: none is left for a token`,
      "check max_position_embeddings and pad_token_id",
    );
  }
  const classifier = ["classifier.dense", "classifier.out_proj"] as const;
  return bertEncoder(config, { prefix: "roberta", firstPosition: padding + 1, classifier });
}
