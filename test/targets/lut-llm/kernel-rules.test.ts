import { expect, test } from "vitest";
import { parseConfig } from "../../../src/model/architectures/llama-config.js";
import { kernelRefusal } from "../../../src/targets/lut-llm/kernel-rules.js";
import { configOf } from "./models.js";

const sizes = { layers: 2, hidden: 64, feedForward: 128, heads: 4, keyValueHeads: 2, headSize: 32 };
const config = configOf({ ...sizes, bits: 8, blocks: [1, 1, 1] });
const refuse = (changes: object) => kernelRefusal(parseConfig({ ...config, ...changes }));

test.each([
  ["a Llama", { model_type: "llama" }],
  [
    "a Llama whose positions are scaled: the host writes the rotary tables",
    {
      model_type: "llama",
      rope_scaling: { type: "linear", factor: 2 },
    },
  ],
  ["a Mistral without sliding windows", { model_type: "mistral", sliding_window: null }],
])("the kernel computes %s", (_, changes) => {
  expect(refuse(changes)).toBe(null);
});

test.each([
  ["biases of q, k and v", { model_type: "qwen2" }, /biases on q, k and v/],
  ["biases of all of attention", { model_type: "llama", attention_bias: true }, /biases on q, k and v/],
  ["biases of the feed-forward layers", { model_type: "llama", mlp_bias: true }, /its feed-forward layers/],
  ["sliding windows", { model_type: "mistral", sliding_window: 16 }, /layer 0 attends to the last 16 tokens/],
  ["heads of no whole 32 elements", { model_type: "llama", head_dim: 48 }, /48 elements.*32 at once/],
])("a model with %s is refused, with a way out", (_, changes, reason) => {
  const refused = refuse(changes);
  expect(refused?.reason).toMatch(reason);
  expect(refused?.fix).toContain("fidelity: linears");
});
