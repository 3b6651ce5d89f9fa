import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Architecture } from "../architecture.js";
import { kindOf } from "../kind.js";
import { bertConfig, bertEncoder } from "./bert.js";
import { describeEncoder, type Encoder, embedForEncoder, openEncoderBlock, storedNorms } from "./encoder.js";
import { parseFamilyConfig } from "./family-config.js";
import { encoderReadout } from "./readouts.js";

/*
 * RoBERTa (arXiv 1907.11692): a BERT whose positions begin behind the id of padding, as fairseq counts them, and whose
 * classifier reads the first token, `<s>`, without a pooler.
 */

export const roberta: Architecture = {
  name: "roberta",
  modelTypes: ["roberta"],
  kinds: ["classification", "answering"],
  stored: storedNorms,

  describe(config, shapeOf) {
    const [encoder, kind] = [encoderOf(config), kindOf(config)];
    return describeEncoder(
      encoder,
      kind,
      encoderReadout(kind, encoder.hiddenSize, ["classifier.dense", "classifier.out_proj"], "tanh", shapeOf),
      shapeOf,
    );
  },
  embed: (embedded, batch, context) => embedForEncoder(embedded, batch, context, encoderOf(context.config)),
  openBlock: (index, context) => openEncoderBlock(index, context, encoderOf(context.config)),
  finalNorm: async (hidden) => hidden,
};

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
  return bertEncoder(config, "roberta", padding + 1);
}
