import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Activation } from "../graphs.js";
import { kindOf, suffixes } from "../kind.js";
import { type Rope, ropeScaling } from "../rope.js";

/* config.json of Llama and the families that compute like it, and what follows from it. */

const configSchema = z.looseObject({
  model_type: z.enum(["llama", "mistral", "qwen2", "qwen3", "bitnet"]),
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: z.int().positive().max(10_000), // the names of their tensors are made before any is looked up
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().nullish(),
  head_dim: z.int().positive().nullish(),
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  original_max_position_embeddings: z.number().positive().nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeScaling.nullish(),
  rope_parameters: ropeScaling.nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  hidden_act: z.string().nullish(),
  sliding_window: z.int().positive().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().default(28),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).nullish(),
});

export type Config = z.infer<typeof configSchema>;

export function parseConfig(config: Readonly<Record<string, unknown>>): Config {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new LuthierError(
      `config.json: ${issue.path.join(".") || "the configuration"}: ${issue.message}`,
      "check that config.json is that of a Llama, Mistral, Qwen2, Qwen2.5, Qwen3 or BitNet checkpoint",
    );
  }
  activationOf(parsed.data);
  const { heads, keyValueHeads, headSize } = headsOf(parsed.data);
  if (heads % keyValueHeads !== 0 || headSize % 2 !== 0) {
    throw new LuthierError(
      `config.json: ${heads} heads, ${keyValueHeads} key-value heads of size ${headSize} make no grouped attention`,
      "check num_attention_heads, num_key_value_heads and head_dim",
    );
  }
  return parsed.data;
}

/** @throws LuthierError for one that the family's code is not computed with. */
export function activationOf({ hidden_act: name, model_type: family }: Config): Activation {
  const activation = family === "bitnet" ? "relu2" : "silu";
  if ((name ?? activation) === activation) return activation;
  throw new LuthierError(
    `config.json: hidden_act is '${name}'; only ${activation} can be computed so far for ${family}`,
    `use a checkpoint whose feed-forward layers are gated by ${activation}`,
  );
}

export function headsOf(config: Config) {
  const heads = config.num_attention_heads;
  return {
    heads,
    keyValueHeads: config.num_key_value_heads ?? heads,
    headSize: config.head_dim ?? defaultHeadSize(config),
  };
}

function defaultHeadSize(config: Config): number {
  return config.model_type === "qwen3" ? 128 : Math.floor(config.hidden_size / config.num_attention_heads);
}

export function ropeOf(config: Config): Rope {
  const scaling = config.rope_scaling ?? config.rope_parameters ?? null;
  // Outside the scaling it takes precedence, as in transformers' `standardize_rope_params`.
  const original = config.original_max_position_embeddings ?? scaling?.original_max_position_embeddings;
  return {
    rotatedSize: headsOf(config).headSize,
    theta: scaling?.rope_theta ?? config.rope_theta ?? (config.model_type === "bitnet" ? 500_000 : 10_000),
    contextLength: config.max_position_embeddings,
    scaling: scaling && { ...scaling, original_max_position_embeddings: original },
  };
}

/** Which linears have biases: those of q, k and v, of attention's output, of the feed-forward layer. */
export function biasesOf({ model_type: family, attention_bias, mlp_bias }: Config) {
  const output = ["llama", "qwen3", "bitnet"].includes(family) && attention_bias === true;
  const feedForward = family === "llama" && mlp_bias === true;
  return { projections: output || family === "qwen2", output, feedForward };
}

export function hasHeadNorms(config: Config): boolean {
  return config.model_type === "qwen3";
}

/**
 * The configuration of the same model without norms of queries and keys: a Qwen3 is a Llama then. Others stay.
 * @throws LuthierError for one whose windows slide, which a Llama's do not.
 */
export function withoutHeadNorms(raw: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const config = parseConfig(raw);
  if (!hasHeadNorms(config)) return raw;
  if (slidingLayer(config) !== null) {
    throw new LuthierError(
      "config.json: its windows slide, so it is no Llama when norms of queries and keys are folded",
      "use a checkpoint without sliding windows, or do not fold its norms",
    );
  }
  const { headSize } = headsOf(config);
  const architectures = [suffixes[kindOf(raw)].replace("…", "Llama")];
  return { ...raw, architectures, model_type: "llama", head_dim: headSize };
}

/** BitNet's: they bring what the last linear of a layer reads into the range of its INT8 inputs. */
export function hasSubNorms(config: Config): boolean {
  return config.model_type === "bitnet";
}

/**
 * Mistral slides in every layer; Qwen only where it is switched on, in the layers listed or from `max_window_layers`
 * up. A key that is left out has the value that transformers gives it.
 */
export function slidingWindow(config: Config, layer: number): number | null {
  const { model_type: family, sliding_window: window = 4096, layer_types: types } = config;
  if (
    family === "llama" ||
    family === "bitnet" ||
    (family !== "mistral" && config.use_sliding_window !== true)
  )
    return null;
  const slides = types ? types[layer] === "sliding_attention" : layer >= config.max_window_layers;
  return family === "mistral" || slides ? window : null;
}

/** The first layer whose window slides; null when all layers attend to all tokens before. */
export function slidingLayer(config: Config): { readonly layer: number; readonly window: number } | null {
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const window = slidingWindow(config, layer);
    if (window !== null) return { layer, window };
  }
  return null;
}
