import { describe, expect, test } from "vitest";
import { tokenizerSteps } from "../../src/checkpoint/tokenizer-steps.js";

const encodesEndlessly = (normalizer: unknown, preTokenizer: unknown = null) =>
  tokenizerSteps({ normalizer, pre_tokenizer: preTokenizer, decoder: null }, "tokenizer.json")
    .encodesEndlessly;
const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
const sequence = (normalizers: readonly unknown[]) => ({ type: "Sequence", normalizers });

describe("what published tokenizers do with patterns of nobody is not watched", () => {
  test.each([
    ["GPT-2", null, { type: "ByteLevel", add_prefix_space: false, use_regex: true }],
    ["BERT", { type: "BertNormalizer", lowercase: true }, { type: "BertPreTokenizer" }],
    ["Llama 2", sequence([{ type: "Prepend", prepend: "▁" }, replace({ String: " " }, "▁")]), null],
    [
      "Gemma",
      replace({ String: " " }, "▁"),
      { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious" },
    ],
  ])("%s", (_, normalizer, preTokenizer) => {
    expect(encodesEndlessly(normalizer, preTokenizer)).toBe(false);
  });

  test("decoders of Llama 2", () => {
    const decoders = [
      replace({ String: "▁" }, " "),
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip" },
    ];
    const steps = { normalizer: null, pre_tokenizer: null, decoder: { type: "Sequence", decoders } };
    expect(tokenizerSteps(steps, "tokenizer.json").decodesEndlessly).toBe(false);
  });
});

describe("what may take without end is watched", () => {
  test.each([
    ["a regular expression", { type: "Split", pattern: { Regex: "(a+)+$" } }],
    ["one that is a step of steps", sequence([sequence([replace({ Regex: "(a|a)*b" }, "")])])],
    ["a text that grows", replace({ String: "a" }, "aa")],
    ["one that grows out of nothing", replace({ String: "" }, "a")],
    [
      "more steps than any tokenizer has",
      sequence(Array.from({ length: 60 }, () => ({ type: "ByteLevel" }))),
    ],
    ["a step of a type that is not known", { type: "Precompiled" }],
    ["no type at all", {}],
  ])("%s", (_, step) => {
    expect(encodesEndlessly(step)).toBe(true);
    expect(encodesEndlessly(null, step)).toBe(true);
  });
});
