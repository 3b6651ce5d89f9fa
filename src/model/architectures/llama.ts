import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Architecture, LinearInfo, ModelDescription, ShapeOf } from "../architecture.js";
import { checkRope, type Rope, ropeScaling } from "../rope.js";

/*
 * Llama and the families that compute like it: Mistral, Qwen2 and 2.5 (biases on q, k, v), Qwen3 (norms on q and k),
 * TriLM (a Llama by its configuration).
 */

const configSchema = z.looseObject({
  model_type: z.enum(["llama", "mistral", "qwen2", "qwen3"]),
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
  hidden_act: z.string().default("silu"),
  sliding_window: z.int().positive().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().default(28),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).nullish(),
});

export type Config = z.infer<typeof configSchema>;

export const llama: Architecture = {
  name: "llama",
  modelTypes: configSchema.shape.model_type.options,

  describe(rawConfig, shapeOf): ModelDescription {
    const config = parseConfig(rawConfig);
    checkRope(ropeOf(config));
    const embedding = "model.embed_tokens.weight";
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const head: LinearInfo = {
      name: "lm_head",
      rows: config.vocab_size,
      columns: config.hidden_size,
      tensor: config.tie_word_embeddings ? embedding : "lm_head.weight",
      bias: null,
      norm: "model.norm.weight",
      rotaryHeadSize: null,
    };
    const norms = [
      ...blocks.flatMap((_, index) => blockNorms(index, config)),
      { tensor: "model.norm.weight", size: config.hidden_size },
    ];
    expectShape(shapeOf, embedding, [config.vocab_size, config.hidden_size]);
    for (const linear of [...blocks.flat(), head]) {
      expectShape(shapeOf, linear.tensor, [linear.rows, linear.columns]);
      if (linear.bias) expectShape(shapeOf, linear.bias, [linear.rows]);
      else refuseBias(shapeOf, linear, config);
    }
    for (const { tensor, size } of norms) expectShape(shapeOf, tensor, [size]);
    const biases = blocks.flat().flatMap((linear) => linear.bias ?? []);
    return {
      modelType: config.model_type,
      blocks,
      head,
      embedding,
      hiddenSize: config.hidden_size,
      feedForwardSize: config.intermediate_size,
      vocabularySize: config.vocab_size,
      contextLength: config.max_position_embeddings,
      floatTensors: [embedding, ...norms.map(({ tensor }) => tensor), ...biases],
    };
  },

  async openBlock(index, context) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const vector = (name: string) => context.vector(`model.layers.${index}.${name}.weight`);
    const inputNorm = await vector("input_layernorm");
    const postAttentionNorm = await vector("post_attention_layernorm");
    const headNorms = hasHeadNorms(config)
      ? {
          query: await vector("self_attn.q_norm"),
          key: await vector("self_attn.k_norm"),
          epsilon: config.rms_norm_eps,
        }
      : null;
    const [q, k, v, o, gate, up, down] = blockLinears(index, config).map((linear) => linear.name);
    const { heads, keyValueHeads, headSize } = headsOf(config);

    return async (hidden, length) => {
      const normed = await ops.rmsNorm(hidden, inputNorm, config.rms_norm_eps);
      const [query, key, value] = await executor.run([q, k, v], normed);
      const attended = await ops.attention({
        query,
        key,
        value,
        heads,
        keyValueHeads,
        headSize,
        length,
        rope: ropeOf(config),
        norms: headNorms,
        window: slidingWindow(config, index),
      });
      const [attentionOut] = await executor.run([o], attended);
      const middle = await ops.add(hidden, attentionOut);

      const normedMiddle = await ops.rmsNorm(middle, postAttentionNorm, config.rms_norm_eps);
      const [gated, upped] = await executor.run([gate, up], normedMiddle);
      const [feedForwardOut] = await executor.run([down], await ops.gatedActivation(gated, upped));
      return ops.add(middle, feedForwardOut);
    };
  },

  async finalNorm(hidden, { config, ops, vector }) {
    const { rms_norm_eps: epsilon } = parseConfig(config);
    return ops.rmsNorm(hidden, await vector("model.norm.weight"), epsilon);
  },
};

export function parseConfig(config: Readonly<Record<string, unknown>>): Config {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new LuthierError(
      `config.json: ${issue.path.join(".") || "the configuration"}: ${issue.message}`,
      "check that config.json is that of a Llama, Mistral, Qwen2, Qwen2.5 or Qwen3 checkpoint",
    );
  }
  if (parsed.data.hidden_act !== "silu") {
    throw new LuthierError(
      `config.json: hidden_act is '${parsed.data.hidden_act}'; only silu can be computed so far`,
      "use a checkpoint whose feed-forward layers are gated by silu",
    );
  }
  const { heads, keyValueHeads, headSize } = headsOf(parsed.data);
  if (heads % keyValueHeads !== 0 || headSize % 2 !== 0) {
    throw new LuthierError(
      `config.json: ${heads} heads, ${keyValueHeads} key-value heads of size ${headSize} make no grouped attention`,
      "check num_attention_heads, num_key_value_heads and head_dim",
    );
  }
  return parsed.data;
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
    headSize: headsOf(config).headSize,
    theta: scaling?.rope_theta ?? config.rope_theta ?? 10_000,
    contextLength: config.max_position_embeddings,
    scaling: scaling && { ...scaling, original_max_position_embeddings: original },
  };
}

function hasHeadNorms(config: Config): boolean {
  return config.model_type === "qwen3";
}

/**
 * Mistral slides in every layer; Qwen only where it is switched on, in the layers listed or from `max_window_layers`
 * up. A key that is left out has the value that transformers gives it.
 */
export function slidingWindow(config: Config, layer: number): number | null {
  const { model_type: family, sliding_window: window = 4096, layer_types: types } = config;
  if (family === "llama" || (family !== "mistral" && config.use_sliding_window !== true)) return null;
  const slides = types ? types[layer] === "sliding_attention" : layer >= config.max_window_layers;
  return family === "mistral" || slides ? window : null;
}

function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const hidden = config.hidden_size;
  const intermediate = config.intermediate_size;
  const family = config.model_type;
  const attentionBias = (family === "llama" || family === "qwen3") && config.attention_bias === true;
  const queryBias = attentionBias || family === "qwen2";
  const feedForwardBias = family === "llama" && config.mlp_bias === true;
  const linear = (
    name: string,
    rows: number,
    columns: number,
    biased: boolean,
    { norm = null, rotary = false }: { norm?: string | null; rotary?: boolean } = {},
  ): LinearInfo => {
    const full = `model.layers.${index}.${name}`;
    return {
      name: full,
      rows,
      columns,
      tensor: `${full}.weight`,
      bias: biased ? `${full}.bias` : null,
      norm: norm && `model.layers.${index}.${norm}.weight`,
      rotaryHeadSize: rotary ? headSize : null,
    };
  };
  const attention = { norm: "input_layernorm" };
  const feedForward = { norm: "post_attention_layernorm" };
  const rotated = { ...attention, rotary: true };
  return [
    linear("self_attn.q_proj", heads * headSize, hidden, queryBias, rotated),
    linear("self_attn.k_proj", keyValueHeads * headSize, hidden, queryBias, rotated),
    linear("self_attn.v_proj", keyValueHeads * headSize, hidden, queryBias, attention),
    linear("self_attn.o_proj", hidden, heads * headSize, attentionBias),
    linear("mlp.gate_proj", intermediate, hidden, feedForwardBias, feedForward),
    linear("mlp.up_proj", intermediate, hidden, feedForwardBias, feedForward),
    linear("mlp.down_proj", hidden, intermediate, feedForwardBias),
  ];
}

function blockNorms(
  index: number,
  config: Config,
): readonly { readonly tensor: string; readonly size: number }[] {
  const norm = (name: string, size: number) => ({ tensor: `model.layers.${index}.${name}.weight`, size });
  const { headSize } = headsOf(config);
  return [
    norm("input_layernorm", config.hidden_size),
    norm("post_attention_layernorm", config.hidden_size),
    ...(hasHeadNorms(config) ? [norm("self_attn.q_norm", headSize), norm("self_attn.k_norm", headSize)] : []),
  ];
}

function expectShape(shapeOf: ShapeOf, name: string, expected: readonly number[]): void {
  const shape = shapeOf(name);
  if (shape?.join() === expected.join()) return;
  throw new LuthierError(
    `tensor ${name} ${shape ? `has shape [${shape.join(", ")}]` : "is missing"}, config.json asks for [${expected.join(", ")}]`,
    "check that config.json belongs to these weights",
  );
}

/** A bias that the family's code would pass over would silently be left out of every product. */
function refuseBias(shapeOf: ShapeOf, { name }: LinearInfo, { model_type: family }: Config): void {
  if (shapeOf(`${name}.bias`) === undefined) return;
  throw new LuthierError(
    `tensor ${name}.bias is there, but a ${family} of this configuration has no such bias`,
    "check attention_bias and mlp_bias in config.json, or that it belongs to these weights",
  );
}
