import { describe, expect, test } from "vitest";
import type { TokenizerFiles } from "../../../src/checkpoint/tokenizer.js";
import { LuthierError } from "../../../src/error.js";
import { vocabularyOf } from "../../../src/targets/gguf/vocabulary.js";

type Definition = Record<string, unknown>;

const byteLevel = { type: "ByteLevel", add_prefix_space: false, use_regex: true };

const gpt2: Definition = {
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, "<|end|>": 3 }, merges: ["a b"] },
  added_tokens: [
    { id: 3, content: "<|end|>", special: true },
    { id: 5, content: "<tool>", special: false },
  ],
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: byteLevel,
};

const bytes = Object.fromEntries(
  Array.from({ length: 256 }, (_, byte) => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    byte + 3,
  ]),
);
const llama2: Definition = {
  model: {
    type: "BPE",
    unk_token: "<unk>",
    byte_fallback: true,
    vocab: {
      "<unk>": 0,
      "<s>": 1,
      "</s>": 2,
      ...bytes,
      "▁a": 259,
      "▁ab": 260,
      ab: 261,
      "▁": 262,
      a: 263,
      b: 264,
    },
    merges: [
      ["▁", "a"],
      ["▁a", "b"],
      ["▁", "ab"],
      ["a", "b"],
    ],
  },
  added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  },
};

function entries(
  definition: Definition,
  size: number,
  more: Partial<TokenizerFiles> = {},
): Record<string, unknown> {
  const metadata = vocabularyOf({ definition, config: {}, chatTemplate: null, ...more }, size);
  return Object.fromEntries(
    [...metadata].map(([key, value]) => [
      key.replace("tokenizer.ggml.", ""),
      "value" in value ? value.value : [...value.values],
    ]),
  );
}

const withModel = (definition: Definition, changes: object): Definition => ({
  ...definition,
  model: { ...(definition.model as object), ...changes },
});

describe("a byte-level BPE", () => {
  test("is gpt2 with its merges; ids without a token are unused ones", () => {
    expect(entries(gpt2, 7, { config: { eos_token: "<|end|>", bos_token: null } })).toEqual({
      model: "gpt2",
      pre: "gpt-2",
      merges: ["a b"],
      tokens: ["a", "b", "ab", "<|end|>", "[PAD4]", "<tool>", "[PAD6]"],
      token_type: [1, 1, 1, 3, 5, 4, 5],
      eos_token_id: 3,
      add_bos_token: false,
      add_eos_token: false,
    });
  });

  const tail = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const qwen = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${tail}`;
  const llama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${tail}`;
  const split = (regex: string, behavior = "Isolated") => ({
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: regex }, behavior, invert: false },
      { ...byteLevel, use_regex: false },
    ],
  });
  const digits = {
    type: "Sequence",
    pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel],
  };

  test.each([
    ["Qwen's expression", split(qwen), false, "qwen2"],
    ["Llama 3's", split(llama3), true, "llama-bpe"],
    ["Llama 3's with merges always", split(llama3), false, "smaug-bpe"],
    ["digits apart", digits, false, "smollm"],
  ])("cut by %s has llama.cpp's name for it", (_, preTokenizer, ignoreMerges, name) => {
    const definition = withModel({ ...gpt2, pre_tokenizer: preTokenizer }, { ignore_merges: ignoreMerges });
    expect(entries(definition, 6).pre).toBe(name);
  });

  test.each([
    ["an expression that llama.cpp has not", { ...gpt2, pre_tokenizer: split("\\w+") }],
    ["matches that are removed", { ...gpt2, pre_tokenizer: split(qwen, "Removed") }],
    ["whole words before merges, unlike its expression", withModel(gpt2, { ignore_merges: true })],
    ["a blank before the text", { ...gpt2, pre_tokenizer: { ...byteLevel, add_prefix_space: true } }],
    ["a normalizer", { ...gpt2, normalizer: { type: "Lowercase" } }],
    ["ends of words marked", withModel(gpt2, { end_of_word_suffix: "</w>" })],
    ["another model", { ...gpt2, model: { type: "Unigram", vocab: [["a", -1]] } }],
    ["no pre-tokenizer", { ...gpt2, pre_tokenizer: null }],
    ["more tokens than the embedding has rows", { ...gpt2, added_tokens: [{ id: 6, content: "x" }] }],
    ["one token twice", { ...gpt2, added_tokens: [{ id: 5, content: "a" }] }],
  ])("with %s is refused", (_, definition) => {
    expect(() => entries(definition, 6)).toThrow(LuthierError);
  });
});

describe("a SentencePiece BPE", () => {
  const config = { bos_token: { content: "<s>" }, eos_token: "</s>", unk_token: "<unk>" };

  test("is llama, with the ranks of merges as scores and its byte tokens known", () => {
    const found = entries(llama2, 265, { config });
    expect(found).toMatchObject({
      ...{ model: "llama", add_space_prefix: true, add_bos_token: true, add_eos_token: false },
      ...{ bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 },
    });
    // Merges 0 … 3 make ▁a, ▁ab (twice, the first counts) and ab; single characters come behind all four.
    expect((found.scores as number[]).slice(259)).toEqual([-0, -1, -3, -4, -4, -4]);
    expect((found.token_type as number[]).slice(0, 4)).toEqual([2, 3, 3, 6]);
    expect((found.token_type as number[]).slice(257, 260)).toEqual([6, 6, 1]);
  });

  test("whose configuration says so adds no token, whatever the template has", () => {
    expect(entries(llama2, 265, { config: { ...config, add_bos_token: false } }).add_bos_token).toBe(false);
  });

  test("by Metaspace begins with a blank as its scheme says", () => {
    const metaspace = (scheme: string) => ({
      ...llama2,
      normalizer: null,
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false },
    });
    expect(entries(metaspace("first"), 265).add_space_prefix).toBe(true);
    expect(entries(metaspace("never"), 265).add_space_prefix).toBe(false);
  });

  test.each([
    ["without byte fallback", withModel(llama2, { byte_fallback: false }), /256 byte tokens/],
    [
      "with a token that neighbours make without a merge",
      withModel(llama2, {
        merges: [
          ["▁", "a"],
          ["▁a", "b"],
          ["▁", "ab"],
        ],
      }),
      /make a token but no merge/,
    ],
    [
      "with merges of a token apart",
      withModel(llama2, {
        merges: [
          ["▁", "a"],
          ["▁a", "b"],
          ["a", "b"],
          ["▁", "ab"],
        ],
      }),
      /do not follow one another/,
    ],
  ] as const)("%s is refused", (_, definition, message) => {
    expect(() => entries(definition, 265)).toThrow(message);
  });
});

test("the template of conversations goes along", () => {
  expect(entries(gpt2, 6, { chatTemplate: "{{ messages }}" })["tokenizer.chat_template"]).toBe(
    "{{ messages }}",
  );
});
