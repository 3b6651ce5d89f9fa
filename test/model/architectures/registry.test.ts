import { describe, expect, test } from "vitest";
import { findArchitecture, findWritable } from "../../../src/model/architectures/registry.js";

test.each(["llama", "mistral", "qwen2", "qwen3"])("%s is computed by the llama architecture", (modelType) => {
  expect(findArchitecture({ model_type: modelType }).name).toBe("llama");
});

test.each([
  ["bert", "bert"],
  ["roberta", "roberta"],
  ["distilbert", "distilbert"],
  ["gpt2", "gpt2"],
  ["gpt_neox", "gpt-neox"],
  ["opt", "opt"],
  ["bloom", "bloom"],
  ["gemma", "gemma"],
  ["gemma2", "gemma"],
  ["gemma3_text", "gemma"],
  ["phi3", "phi3"],
  ["mixtral", "mixtral"],
  ["qwen3_moe", "qwen3-moe"],
])("%s is computed by the %s architecture", (modelType, name) => {
  const isEncoder = ["bert", "roberta", "distilbert"].includes(modelType);
  const architectures = [isEncoder ? "XForQuestionAnswering" : "XForCausalLM"];
  expect(findArchitecture({ model_type: modelType, architectures }).name).toBe(name);
});

test("an unknown model type is refused with those that are known", () => {
  expect(() => findArchitecture({ model_type: "mamba" })).toThrow(
    "model_type is 'mamba'; known are llama, mistral, qwen2, qwen3",
  );
});

test("a configuration without a model type is refused", () => {
  expect(() => findArchitecture({})).toThrow("model_type is 'none'");
});

test("a head that is none of those known is refused by its name", () => {
  const config = { model_type: "qwen3", architectures: ["Qwen3ForTokenClassification"] };
  expect(() => findArchitecture(config)).toThrow("architectures says 'Qwen3ForTokenClassification'");
});

test("a head that a family is not known with is refused, with those that it is known with", () => {
  const config = { model_type: "bert", architectures: ["BertLMHeadModel"] };
  expect(() => findArchitecture(config)).toThrow("a bert for causal language modelling cannot be computed");
});

describe("graphs are written", () => {
  test.each(["llama", "mistral", "qwen2", "qwen3", "bitnet"])("of %s", (modelType) => {
    expect(findWritable({ model_type: modelType }).modelTypes).toContain(modelType);
  });

  test.each(["gpt2", "gemma2", "mixtral"])("not of %s", (modelType) => {
    expect(() => findWritable({ model_type: modelType })).toThrow(/the graph of a \S+ is not written/);
  });

  test("not of a model that predicts no tokens", () => {
    const config = { model_type: "qwen3", architectures: ["Qwen3ForSequenceClassification"] };
    expect(() => findWritable(config)).toThrow("the graph of a llama that predicts no tokens is not written");
  });
});

test("a family or a head that is no text is refused, or as if there were none", () => {
  const odd = { toString: 1, valueOf: 1 };
  expect(() => findArchitecture({ model_type: odd })).toThrow(/model_type is 'none'/);
  expect(findArchitecture({ model_type: "llama", architectures: [odd] }).name).toBe("llama");
});
