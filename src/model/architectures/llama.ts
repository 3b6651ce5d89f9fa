import { LuthierError } from "../../error.js";
import {
  type LinearInfo,
  linearsOf,
  type ModelContext,
  type ModelDescription,
  type ShapeOf,
  type StoredAs,
  type WritableArchitecture,
} from "../architecture.js";
import { kindOf } from "../kind.js";
import { checkRope } from "../rope.js";
import { described } from "./described.js";
import { channelGroups, scalableInputs } from "./llama-channels.js";
import {
  activationOf,
  biasesOf,
  type Config,
  hasHeadNorms,
  hasSubNorms,
  headsOf,
  parseConfig,
  ropeOf,
  slidingWindow,
} from "./llama-config.js";
import { headLinear, plainLinear } from "./plain-linear.js";
import { decoderReadout } from "./readouts.js";
import { residualBlock } from "./residual-block.js";

/*
 * Llama and the families that compute like it: Mistral, Qwen2 and 2.5 (biases on q, k, v), Qwen3 (norms on q and k),
 * TriLM (a Llama by its configuration). BitNet (bitnet.ts) has norms before the last linear of attention and feed-forward
 * layer, and a gate of squared ReLU.
 */

export const llama: WritableArchitecture = {
  name: "llama",
  modelTypes: ["llama", "mistral", "qwen2", "qwen3"],
  kinds: ["causal", "classification", "answering"],
  stored: storedAnswerer,

  describe(rawConfig, shapeOf): ModelDescription {
    const config = parseConfig(rawConfig);
    checkRope(ropeOf(config));
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const { hidden_size: hiddenSize, vocab_size: vocabularySize } = config;
    const tied = config.tie_word_embeddings ? embedding : null;
    const head = { ...headLinear(vocabularySize, hiddenSize, tied), norm: lastNorm };
    const last = decoderReadout(kindOf(rawConfig), head, shapeOf);
    const norms = blocks.flatMap((_, index) => blockNorms(index, config));
    const description = described(
      {
        ...{ modelType: config.model_type, blocks, embedding, hiddenSize, vocabularySize, ...last },
        feedForwardSize: config.intermediate_size,
        contextLength: config.max_position_embeddings,
        others: {
          [embedding]: [vocabularySize, hiddenSize],
          ...Object.fromEntries(norms.map(({ tensor, size }) => [tensor, [size]])),
          [lastNorm]: [hiddenSize],
        },
      },
      shapeOf,
    );
    for (const linear of linearsOf(description)) {
      if (!linear.bias) refuseBias(shapeOf, linear, config);
    }
    return {
      ...description,
      channels: channelGroups(blocks, last, embedding, config),
      scalable: scalableInputs(blocks, config),
    };
  },

  async openBlock<Value, Vector>(index: number, context: ModelContext<Value, Vector>) {
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
    const subNorms = hasSubNorms(config)
      ? { attention: await vector("self_attn.attn_sub_norm"), feedForward: await vector("mlp.ffn_sub_norm") }
      : null;
    const norm = (hidden: Value, weight: Vector) => ops.rmsNorm(hidden, weight, config.rms_norm_eps);
    const [q, k, v, o, gate, up, down] = blockLinears(index, config).map((linear) => linear.name);
    const { heads, keyValueHeads, headSize } = headsOf(config);

    const attend = async (hidden: Value, length: number) => {
      const [query, key, value] = await executor.run([q, k, v], await norm(hidden, inputNorm));
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
      return subNorms ? norm(attended, subNorms.attention) : attended;
    };
    const widen = async (middle: Value) => {
      const [gated, upped] = await executor.run([gate, up], await norm(middle, postAttentionNorm));
      const opened = await ops.gatedActivation(gated, upped, activationOf(config));
      return subNorms ? norm(opened, subNorms.feedForward) : opened;
    };
    return residualBlock(context, { attend, attentionOutput: o, widen, feedForwardOutput: down });
  },

  async finalNorm(hidden, { config, ops, vector }) {
    const { rms_norm_eps: epsilon } = parseConfig(config);
    return ops.rmsNorm(hidden, await vector(lastNorm), epsilon);
  },
};

const embedding = "model.embed_tokens.weight";

/** Behind the last block. */
const lastNorm = "model.norm.weight";

/** transformers saves a Llama that answers questions with `transformer.` in the place of `model.`. */
function storedAnswerer(names: ReadonlySet<string>): ReadonlyMap<string, StoredAs> {
  const prefix = /^transformer\./;
  const other = [...names].filter((name) => prefix.test(name));
  return new Map(other.map((name) => [name.replace(prefix, "model."), { name, isTransposed: false }]));
}

interface Traits {
  readonly norm?: string | null;
  readonly rotary?: boolean;
  readonly projection?: boolean;
}

function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const hidden = config.hidden_size;
  const intermediate = config.intermediate_size;
  const biased = biasesOf(config);
  const linear = (
    name: string,
    rows: number,
    columns: number,
    hasBias: boolean,
    { norm = null, rotary = false, projection = false }: Traits = {},
  ): LinearInfo => {
    const full = `model.layers.${index}.${name}`;
    const attention = projection
      ? { rows: (heads + 2 * keyValueHeads) * headSize, keyValueHeads, headSize }
      : null;
    return {
      ...plainLinear(full, rows, columns, { hasBias, attention }),
      norm: norm && `model.layers.${index}.${norm}.weight`,
      headNorm: rotary && hasHeadNorms(config) ? `${full.replace(/_proj$/, "_norm")}.weight` : null,
      rotaryHeadSize: rotary ? headSize : null,
    };
  };
  const attention = { norm: "input_layernorm", projection: true };
  const feedForward = { norm: "post_attention_layernorm" };
  const [attended, opened] = hasSubNorms(config)
    ? ["self_attn.attn_sub_norm", "mlp.ffn_sub_norm"]
    : [null, null];
  const rotated = { ...attention, rotary: true };
  return [
    linear("self_attn.q_proj", heads * headSize, hidden, biased.projections, rotated),
    linear("self_attn.k_proj", keyValueHeads * headSize, hidden, biased.projections, rotated),
    linear("self_attn.v_proj", keyValueHeads * headSize, hidden, biased.projections, attention),
    linear("self_attn.o_proj", hidden, heads * headSize, biased.output, { norm: attended }),
    linear("mlp.gate_proj", intermediate, hidden, biased.feedForward, feedForward),
    linear("mlp.up_proj", intermediate, hidden, biased.feedForward, feedForward),
    linear("mlp.down_proj", hidden, intermediate, biased.feedForward, { norm: opened }),
  ];
}

function blockNorms(
  index: number,
  config: Config,
): readonly { readonly tensor: string; readonly size: number }[] {
  const norm = (name: string, size: number) => ({ tensor: `model.layers.${index}.${name}.weight`, size });
  const { heads, headSize } = headsOf(config);
  return [
    norm("input_layernorm", config.hidden_size),
    norm("post_attention_layernorm", config.hidden_size),
    ...(hasHeadNorms(config) ? [norm("self_attn.q_norm", headSize), norm("self_attn.k_norm", headSize)] : []),
    ...(hasSubNorms(config)
      ? [
          norm("self_attn.attn_sub_norm", heads * headSize),
          norm("mlp.ffn_sub_norm", config.intermediate_size),
        ]
      : []),
  ];
}

/** A bias that the family's code would pass over would silently be left out of every product. */
function refuseBias(shapeOf: ShapeOf, { name }: LinearInfo, { model_type: family }: Config): void {
  if (shapeOf(`${name}.bias`) === undefined) return;
  throw new LuthierError(
    `tensor ${name}.bias is there, but a ${family} of this configuration has no such bias`,
    "check attention_bias and mlp_bias in config.json, or that it belongs to these weights",
  );
}
