import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { hyperparametersOf } from "../../../src/targets/gguf/hyperparameters.js";

const base = {
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  vocab_size: 512,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
};

function numbersOf(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { metadata } = hyperparametersOf(config);
  return Object.fromEntries(
    metadata.map(([key, value]) => [key, "value" in value ? value.value : value.values]),
  );
}

test("every number that llama.cpp asks for is under its architecture's name", () => {
  expect(numbersOf(base)).toEqual({
    "llama.vocab_size": 512,
    "llama.context_length": 4096,
    "llama.embedding_length": 64,
    "llama.block_count": 2,
    "llama.feed_forward_length": 160,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 4,
    "llama.attention.key_length": 8,
    "llama.attention.value_length": 8,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": 8,
    "llama.rope.freq_base": 10000,
  });
});

test("mistral is a llama to llama.cpp, the Qwens are their own", () => {
  const architectures = ["llama", "mistral", "qwen2", "qwen3"].map(
    (family) => hyperparametersOf({ ...base, model_type: family }).architecture,
  );
  expect(architectures).toEqual(["llama", "llama", "qwen2", "qwen3"]);
});

test("only the llama architecture pairs rows of queries and keys", () => {
  expect(hyperparametersOf({ ...base, model_type: "mistral" }).pairedHeads).toEqual({ queries: 8, keys: 4 });
  expect(hyperparametersOf({ ...base, model_type: "qwen2" }).pairedHeads).toBe(null);
});

test("a context ends where a window would begin to slide", () => {
  const mistral = { ...base, model_type: "mistral" };
  expect(numbersOf({ ...mistral, sliding_window: 1000 })["llama.context_length"]).toBe(1000);
  expect(numbersOf({ ...mistral, sliding_window: null })["llama.context_length"]).toBe(4096);
});

describe("rope scaling", () => {
  test("that is linear is a factor", () => {
    const numbers = numbersOf({ ...base, rope_scaling: { type: "linear", factor: 2.5 } });
    expect(numbers).toMatchObject({ "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.5 });
  });

  test("by YaRN as published is a factor and the original context", () => {
    const scaling = { rope_type: "yarn", original_max_position_embeddings: 1024 };
    expect(numbersOf({ ...base, model_type: "qwen2", rope_scaling: scaling })).toMatchObject({
      "qwen2.rope.scaling.type": "yarn",
      "qwen2.rope.scaling.factor": 4,
      "qwen2.rope.scaling.original_context_length": 1024,
    });
  });

  test("of Llama 3 divides low frequencies by the factor and leaves high ones", () => {
    const scaling = {
      ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 64,
    };
    const { frequencyFactors, metadata } = hyperparametersOf({ ...base, rope_scaling: scaling });
    // Frequencies 1, 0.1, 0.01, 0.001: in 64 positions 10.2, 1.02, 0.102 and 0.0102 turns.
    const [first, second, ...rest] = frequencyFactors ?? [];
    expect(first).toBe(1);
    expect(second).toBeGreaterThan(7);
    expect(second).toBeLessThan(8);
    expect(rest).toEqual([8, 8]);
    expect(metadata.map(([key]) => key)).not.toContain("llama.rope.scaling.type");
  });

  test.each([
    ["dynamic", "llama", { rope_type: "dynamic", factor: 2 }],
    [
      "that of Llama 3 in a Qwen",
      "qwen3",
      { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
    ],
    ["YaRN with its own ramp", "llama", { rope_type: "yarn", factor: 2, beta_fast: 16 }],
    ["YaRN with its own magnitude", "qwen2", { rope_type: "yarn", factor: 2, attention_factor: 0.8 }],
    ["YaRN with two magnitudes", "qwen2", { rope_type: "yarn", factor: 2, mscale: 0.8, mscale_all_dim: 0.5 }],
    ["YaRN on parts of dimensions", "qwen2", { rope_type: "yarn", factor: 2, truncate: false }],
  ])("that llama.cpp has not is refused: %s", (_, family, scaling) => {
    const config = { ...base, model_type: family, rope_scaling: scaling };
    expect(() => hyperparametersOf(config)).toThrow(LuthierError);
    expect(() => hyperparametersOf(config)).toThrow(/no rope scaling/);
  });
});

test("biases that llama.cpp's qwen3 has not are refused", () => {
  expect(() => hyperparametersOf({ ...base, model_type: "qwen3", attention_bias: true })).toThrow(
    /no biases/,
  );
});
