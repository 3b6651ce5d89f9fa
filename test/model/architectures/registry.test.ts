import { expect, test } from "vitest";
import { findArchitecture } from "../../../src/model/architectures/registry.js";

test.each(["llama", "mistral", "qwen2", "qwen3"])("%s is computed by the llama architecture", (modelType) => {
  expect(findArchitecture({ model_type: modelType }).name).toBe("llama");
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
