import type { GgufValue } from "../../checkpoint/gguf-header.js";
import { LuthierError } from "../../error.js";
import {
  type Config,
  headsOf,
  parseConfig,
  ropeOf,
  slidingWindow,
} from "../../model/architectures/llama-config.js";
import { frequenciesOf, nameOf, type Rope } from "../../model/rope.js";
import type { PairedHeads } from "./tensor-names.js";

/** What llama.cpp calls a model of this configuration, and all numbers that it needs besides the tensors. */
export interface Hyperparameters {
  readonly architecture: "llama" | "qwen2" | "qwen3";
  readonly vocabularySize: number;
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
  readonly pairedHeads: PairedHeads | null;
  /** `[headSize / 2]`: what each rotary frequency is divided by (`rope_freqs.weight`); null where nothing is. */
  readonly frequencyFactors: Float32Array | null;
}

/** @throws LuthierError when llama.cpp would compute something else than this configuration asks for. */
export function hyperparametersOf(rawConfig: Readonly<Record<string, unknown>>): Hyperparameters {
  const config = parseConfig(rawConfig);
  const family = config.model_type;
  if (family === "bitnet") {
    throw new LuthierError(
      "BitNet's own type of llama.cpp is not written",
      "choose another target for this model",
    );
  }
  const architecture = family === "mistral" ? "llama" : family;
  if (family === "qwen3" && config.attention_bias === true) {
    throw new LuthierError(
      "llama.cpp's qwen3 has no biases, config.json sets attention_bias",
      "choose another target for this model",
    );
  }
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const rope = ropeOf(config);
  const scaling = ropeScalingOf(rope, architecture);
  const numbers: readonly (readonly [string, GgufValue])[] = [
    ["vocab_size", count(config.vocab_size)],
    ["context_length", count(contextLengthOf(config))],
    ["embedding_length", count(config.hidden_size)],
    ["block_count", count(config.num_hidden_layers)],
    ["feed_forward_length", count(config.intermediate_size)],
    ["attention.head_count", count(heads)],
    ["attention.head_count_kv", count(keyValueHeads)],
    ["attention.key_length", count(headSize)],
    ["attention.value_length", count(headSize)],
    ["attention.layer_norm_rms_epsilon", real(config.rms_norm_eps)],
    ["rope.dimension_count", count(headSize)],
    ["rope.freq_base", real(rope.theta)],
    ...scaling.metadata,
  ];
  return {
    architecture,
    vocabularySize: config.vocab_size,
    metadata: numbers.map(([key, value]) => [`${architecture}.${key}`, value] as const),
    pairedHeads: architecture === "llama" ? { queries: heads, keys: keyValueHeads } : null,
    frequencyFactors: scaling.frequencyFactors,
  };
}

/** llama.cpp attends to everything in these families: within the smallest window that is the same. */
function contextLengthOf(config: Config): number {
  const windows = Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    slidingWindow(config, layer),
  );
  return Math.min(config.max_position_embeddings, ...windows.flatMap((window) => window ?? []));
}

function ropeScalingOf(
  rope: Rope,
  architecture: Hyperparameters["architecture"],
): Pick<Hyperparameters, "metadata" | "frequencyFactors"> {
  const { scaling, contextLength } = rope;
  const kind = nameOf(rope);
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const entries = (factor: number): (readonly [string, GgufValue])[] => [
    ["rope.scaling.type", { type: "string", value: kind }],
    ["rope.scaling.factor", real(factor)],
  ];
  if (kind === "default") return { metadata: [], frequencyFactors: null };
  if (kind === "linear") return { metadata: entries(scaling?.factor ?? 1), frequencyFactors: null };
  if (kind === "llama3" && architecture === "llama") {
    const plain = frequenciesOf({ ...rope, scaling: null }, 0).frequencies;
    const scaled = frequenciesOf(rope, 0).frequencies;
    return {
      metadata: [],
      frequencyFactors: Float32Array.from(plain, (frequency, i) => frequency / scaled[i]),
    };
  }
  if (kind === "yarn" && hasPublishedYarn(scaling)) {
    return {
      metadata: [
        ...entries(scaling?.factor ?? contextLength / original),
        ["rope.scaling.original_context_length", count(original)],
      ],
      frequencyFactors: null,
    };
  }
  throw new LuthierError(
    `llama.cpp's ${architecture} has no rope scaling '${kind}' as config.json sets it`,
    "remove rope_scaling if your contexts are no longer than the original ones, or choose another target",
  );
}

/** llama.cpp's families here read no parameters of YaRN: they have those of the paper, and whole dimensions. */
function hasPublishedYarn(scaling: Rope["scaling"]): boolean {
  const { beta_fast: fast, beta_slow: slow, attention_factor: factor } = scaling ?? {};
  const { mscale, mscale_all_dim: mscaleAll, truncate } = scaling ?? {};
  const magnitude = factor ?? (mscale && mscaleAll ? mscale : null);
  return (fast ?? 32) === 32 && (slow ?? 1) === 1 && magnitude === null && truncate !== false;
}

function count(value: number): GgufValue {
  return { type: "uint32", value };
}

function real(value: number): GgufValue {
  return { type: "float32", value };
}
