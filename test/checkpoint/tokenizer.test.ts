import { writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openTokenizer, type Tokenizer } from "../../src/checkpoint/tokenizer.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

async function folderWith(files: Record<string, string | object>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

test("the bundled model's tokenizer gives ids back as the text they came from", async () => {
  const tokenizer = await openTokenizer("models/tiny");
  expect(tokenizer.vocabularySize).toBe(2048);
  const anyText = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(fc.property(anyText, (text) => tokenizer.decode(tokenizer.encode(text)) === text));
});

test("the bundled model's tokenizer gives the ids that PyTorch's reference recorded", async () => {
  const tokenizer = await openTokenizer("models/tiny");
  const ids = tokenizer.encode("It was a cold and silent evening, and the old man");
  expect([...ids]).toEqual([875, 309, 260, 1574, 281, 1005, 324, 1281, 13, 281, 264, 636, 442]);
});

test("no text has no ids, and no ids are no text", async () => {
  const tokenizer = await openTokenizer("models/tiny");
  expect(tokenizer.encode("")).toEqual(new Int32Array(0));
  expect(tokenizer.decode([])).toBe("");
});

test("special tokens are not added", async () => {
  const single = [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const special_tokens = { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } };
  const tokenizer = await tokenizerOf({
    vocab: { "<s>": 0, a: 1 },
    merges: [],
    post_processor: { type: "TemplateProcessing", single, pair: single, special_tokens },
  });
  expect([...tokenizer.encode("a")]).toEqual([1]);
});

test.each<[string, Record<string, string | object>, RegExp]>([
  ["nothing", {}, /has no tokenizer\.json/],
  ["a SentencePiece model only", { "tokenizer.model": "" }, /only as a SentencePiece model/],
  ["a tokenizer.json that does not parse", { "tokenizer.json": "{" }, /tokenizer\.json is not JSON/],
  [
    "a tokenizer.json of no known form",
    { "tokenizer.json": {} },
    /tokenizer\.json is no tokenizer that can be used/,
  ],
  [
    "a model of no known kind",
    { "tokenizer.json": definition({ type: "Morse" }) },
    /no tokenizer that can be used/,
  ],
])("a folder with %s is refused", async (_, files, message) => {
  const error = await openTokenizer(await folderWith(files)).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toMatch(message);
});

test.each([4e9, -1, 0.5, "1"])("a vocabulary with the id %j is refused", async (id) => {
  const whole = definition({ type: "BPE", vocab: { a: 0, b: id }, merges: [] });
  const folder = await folderWith({ "tokenizer.json": whole });
  await expect(openTokenizer(folder)).rejects.toThrow(`gives a token the id ${JSON.stringify(id)}`);
});

test("added tokens count in the size of the vocabulary", async () => {
  const whole = definition({ type: "BPE", vocab: { a: 0 }, merges: [] });
  const added_tokens = [{ id: 7, content: "<end>", special: true }];
  const folder = await folderWith({ "tokenizer.json": { ...whole, added_tokens } });
  expect((await openTokenizer(folder)).vocabularySize).toBe(8);
});

test("a character that has no id is an error, not an id of zero", async () => {
  const tokenizer = await tokenizerOf({ vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"], unk_token: "<none>" });
  expect([...tokenizer.encode("abb")]).toEqual([2, 1]);
  expect(() => tokenizer.encode("abc")).toThrow(/has no id for/);
});

const blank = "▁";

/** Merges as SentencePiece makes them: blanks only at the beginning of a token. */
const merges = [
  `${blank} a`,
  "a b",
  `${blank} ${blank}`,
  `${blank}a b`,
  "b b",
  "a a",
  `${blank}${blank} a`,
  "ab a",
];

test("splitting at words before merging gives the ids of a plain merge over the whole text", async () => {
  const tokenizer = await tokenizerOf({ merges });
  const ids = vocabularyOf(merges);
  const anyText = fc.string({ unit: fc.constantFrom("a", "b", blank), maxLength: 40 });
  fc.assert(
    fc.property(anyText, (text) => {
      expect([...tokenizer.encode(text)]).toEqual(mergeByHand(text, merges).map((token) => ids[token]));
    }),
    { numRuns: 500 },
  );
});

test("a vocabulary with blanks within its tokens is merged over the whole text", async () => {
  const across = [...merges, `a ${blank}`, `b ${blank}a`];
  const tokenizer = await tokenizerOf({ merges: across });
  const ids = vocabularyOf(across);
  const anyText = fc.string({ unit: fc.constantFrom("a", "b", blank), maxLength: 40 });
  fc.assert(
    fc.property(anyText, (text) => {
      expect([...tokenizer.encode(text)]).toEqual(mergeByHand(text, across).map((token) => ids[token]));
    }),
    { numRuns: 500 },
  );
});

test("a megabyte without a pre-tokenizer takes seconds", async () => {
  const tokenizer = await tokenizerOf({ merges });
  const text = `${blank}ab${blank}${blank}aab`.repeat(150_000);
  const begin = performance.now();
  const ids = tokenizer.encode(text);
  expect(performance.now() - begin).toBeLessThan(20_000);
  expect(tokenizer.decode(ids)).toBe(text);
});

/** Byte-pair encoding by its definition: merge the leftmost pair of the best rank until none is left. */
function mergeByHand(text: string, ranked: readonly string[]): string[] {
  const tokens = [...text];
  for (;;) {
    let [best, place] = [Number.POSITIVE_INFINITY, -1];
    for (let i = 0; i + 1 < tokens.length; i++) {
      const rank = ranked.indexOf(`${tokens[i]} ${tokens[i + 1]}`);
      if (rank >= 0 && rank < best) [best, place] = [rank, i];
    }
    if (place < 0) return tokens;
    tokens.splice(place, 2, tokens[place] + tokens[place + 1]);
  }
}

function vocabularyOf(ranked: readonly string[]): Record<string, number> {
  const tokens = ["a", "b", blank, ...ranked.map((merge) => merge.replace(" ", ""))];
  return Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
}

interface SmallTokenizer {
  readonly merges: readonly string[];
  readonly vocab?: Record<string, number>;
  readonly unk_token?: string;
  readonly post_processor?: object | null;
}

async function tokenizerOf({ post_processor = null, ...model }: SmallTokenizer): Promise<Tokenizer> {
  const whole = definition({ type: "BPE", vocab: vocabularyOf(model.merges), ...model });
  return openTokenizer(await folderWith({ "tokenizer.json": { ...whole, post_processor } }));
}

function definition(model: object) {
  const decoder = { type: "Fuse" };
  return { model, decoder, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null };
}

test("a tokenizer whose tokens its decoder cannot put together says so", async () => {
  const definition = {
    model: { type: "WordPiece", vocab: { "[UNK]": 0, a: 1, "##b": 2 }, unk_token: "[UNK]" },
    ...{ added_tokens: [], normalizer: null, post_processor: null },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: { toString: 1 } },
  };
  const tokenizer = await openTokenizer(await folderWith({ "tokenizer.json": definition }));
  expect(() => tokenizer.decode(tokenizer.encode("ab a"))).toThrow(LuthierError);
});

test("merges that are no texts end in an error, not in a crash", async () => {
  const definition = {
    model: { type: "BPE", vocab: { a: 0 }, merges: [["a", { toString: 1 }]] },
    ...{ added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
  };
  const opened = openTokenizer(await folderWith({ "tokenizer.json": definition }));
  await opened.catch((error) => expect(error).toBeInstanceOf(LuthierError));
});

const word = `${"a".repeat(40)}b`;
const parts = { model: { type: "BPE", vocab: { [word]: 0, a: 1, b: 2 }, merges: [] } };
const pattern = { Regex: "(a+)+$" };

test("a pattern that searches without end is stopped as a text is encoded", async () => {
  const pre_tokenizer = { type: "Split", pattern, behavior: "Isolated", invert: false };
  const folder = await folderWith({ "tokenizer.json": { ...definition(parts.model), pre_tokenizer } });
  const tokenizer = await openTokenizer(folder);
  expect([...tokenizer.encode("ab")]).toEqual([1, 2]);
  expect(() => tokenizer.encode(word)).toThrow(/encoding 41 characters took longer than 5\.\d+ seconds/);
});

test("a pattern that searches without end is stopped as tokens are decoded", async () => {
  const decoder = { type: "Replace", pattern, content: "" };
  const folder = await folderWith({ "tokenizer.json": { ...definition(parts.model), decoder } });
  const tokenizer = await openTokenizer(folder);
  expect(() => tokenizer.decode([0])).toThrow(/decoding 1 tokens took longer than 5 seconds/);
});

test("a pattern that searches without end is stopped as the tokenizer is opened", async () => {
  const normalizers = [
    { type: "Prepend", prepend: word },
    { type: "Replace", pattern, content: "" },
  ];
  const normalizer = { type: "Sequence", normalizers };
  const folder = await folderWith({ "tokenizer.json": { ...definition(parts.model), normalizer } });
  await expect(openTokenizer(folder)).rejects.toThrow(/making it ready took longer than 5 seconds/);
});

test.each([
  ["normalizer", { type: "Replace", content: "" }],
  ["pre_tokenizer", { type: "Sequence", pretokenizers: [{ type: "Split", pattern: { Regexp: "a" } }] }],
  ["decoder", { type: "Sequence", decoders: [{ type: "Replace", pattern: "a", content: "" }] }],
])("a %s whose pattern is none is refused: the library would take texts for empty", async (step, value) => {
  const folder = await folderWith({ "tokenizer.json": { ...definition(parts.model), [step]: value } });
  await expect(openTokenizer(folder)).rejects.toThrow("whose pattern is neither a String nor a Regex");
});
