import { writeFile } from "node:fs/promises";
import path from "node:path";
import { openTokenizer } from "../../../src/checkpoint/tokenizer.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";

const added = (content: string, id: number) => ({ content, id, special: true, normalized: false });

/** What the library wants to find said, if only as nothing. */
const absent = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
};

/** One of each kind of model, with what stands around it in files of the hub. */
const definitions: Readonly<Record<string, object>> = {
  bpe: {
    added_tokens: [added("<s>", 0)],
    normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Prepend", prepend: "▁" }] },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } },
    },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: { "<s>": 0, a: 1, b: 2, ab: 3, Ġ: 4, l: 5 },
      merges: ["a b"],
      unk_token: "<s>",
    },
  },
  split: {
    normalizer: { type: "Replace", pattern: { Regex: "[\\r\\n]+" }, content: "\n" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "(?i:'s|'t)|\\p{N}{1,3}| ?[^\\s\\p{L}]+|\\s+(?!\\S)|\\p{L}+" },
          behavior: "Isolated",
          invert: false,
        },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { a: 0, b: 1, Ġ: 2, l: 3, Ċ: 4, "1": 5 }, merges: [], unk_token: "a" },
  },
  merged: {
    normalizer: null,
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "Fuse" }],
    },
    model: {
      type: "BPE",
      vocab: { "<unk>": 0, a: 1, b: 2, "▁": 3, "▁a": 4 },
      merges: [["▁", "a"]],
      unk_token: "<unk>",
    },
  },
  pieces: {
    added_tokens: [added("[CLS]", 1), added("[SEP]", 2)],
    normalizer: { type: "BertNormalizer", lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 2], cls: ["[CLS]", 1] },
    decoder: { type: "WordPiece", prefix: "##" },
    model: {
      type: "WordPiece",
      vocab: { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, a: 3, "##b": 4 },
      unk_token: "[UNK]",
    },
  },
  unigram: {
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    decoder: { type: "Metaspace", replacement: "▁" },
    model: {
      type: "Unigram",
      unk_id: 0,
      vocab: [
        ["<unk>", 0],
        ["▁a", -1],
        ["b", -2.5],
      ],
    },
  },
};

/** `tokenizer.json` in folders of their own, each beside the same configuration. */
export const tokenizer = parserInFolder({
  name: "tokenizer",
  covers: [
    "checkpoint/tokenizer",
    "checkpoint/tokenizer-steps",
    "checkpoint/special-tokens",
    "checkpoint/time-limit",
  ],
  async fill(folder) {
    const configuration = { bos_token: "<s>", eos_token: { content: "[SEP]" }, chat_template: "{{ x }}" };
    await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify(configuration));
    await writeFile(path.join(folder, "config.json"), JSON.stringify({ bos_token_id: 0, eos_token_id: [1] }));
    const definitionBytes = Object.values(definitions).map((definition) =>
      Buffer.from(JSON.stringify({ ...absent, ...definition })),
    );
    return [
      ...definitionBytes.map((bytes) => ({ file: "tokenizer.json", bytes })),
      { file: "tokenizer_config.json", bytes: Buffer.from(JSON.stringify(configuration)) },
    ];
  },
  mutation: () => mutateJson,
  async read(folder) {
    const opened = await openTokenizer(folder);
    opened.decode(opened.encode(`ab ba, a▁b <s> é🎻\n  12 ${"a".repeat(40)}b`));
  },
});
