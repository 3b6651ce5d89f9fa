import { expect, test } from "vitest";
import { parseConfig } from "../../../src/model/architectures/llama-config.js";
import { kernelRefusal } from "../../../src/targets/lut-llm/kernel-rules.js";
import { configOf } from "./models.js";

const sizes = { layers: 2, hidden: 64, feedForward: 128, heads: 4, keyValueHeads: 2, headSize: 32 };
const config = configOf({ ...sizes, bits: 8, blocks: [1, 1, 1] });
const refuse = (changes: object, weightedNorms: readonly string[] = []) =>
  kernelRefusal(parseConfig({ ...config, ...changes }), weightedNorms);

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
  ["biases of q, k and v", { model_type: "qwen2" }, /its queries, keys and values have biases/],
  [
    "biases of all of attention",
    { model_type: "llama", attention_bias: true },
    /values and attention's output have biases/,
  ],
  ["biases of the feed-forward layers", { model_type: "llama", mlp_bias: true }, /its feed-forward layers/],
  ["sliding windows", { model_type: "mistral", sliding_window: 16 }, /layer 0 attends to the last 16 tokens/],
  ["heads of no whole 32 elements", { model_type: "llama", head_dim: 48 }, /48 elements.*32 at once/],
])("a model with %s is refused, with a way out", (_, changes, reason) => {
  const refused = refuse(changes);
  expect(refused?.reason).toMatch(reason);
  expect(refused?.fix).toContain("fidelity: linears");
});

test("norms of queries and keys, and norms with weights of their own, are refused with the transform that folds them", () => {
  expect(refuse({ model_type: "qwen3" })?.reason).toContain("norms of queries and keys");
  expect(refuse({ model_type: "llama" }, ["a.weight", "b.weight", "c.weight"])?.reason).toContain(
    "a.weight and 2 more norms have weights of their own",
  );
  expect(refuse({ model_type: "llama" }, ["a.weight"])?.fix).toContain("transform: fold-norms");
});
