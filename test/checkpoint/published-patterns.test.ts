import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openTokenizer, type Tokenizer } from "../../src/checkpoint/tokenizer.js";
import { temporaryFolder } from "./folder.js";

/*
 * What stands before the merges in published tokenizer.json files, pattern by pattern; every byte is a token. Sources: the
 * files on the hub, and llama.cpp's src/llama-vocab.cpp, which quotes them.
 */

const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const gpt4o =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" +
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" +
  "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const tekken =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|" +
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|" +
  "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const deepseekV3 =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" +
  " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const han = "[一-龥぀-ゟ゠-ヿ]+";

const byteLevel = (use_regex: boolean) => ({ type: "ByteLevel", add_prefix_space: false, use_regex });
const split = (Regex: string) => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });

const published: Readonly<Record<string, object>> = {
  "GPT-2, OPT, GPT-NeoX, Pythia, phi": byteLevel(true),
  "Llama 3": sequence(split(llama3), byteLevel(false)),
  "Qwen 2 and 3": sequence(split(llama3.replace("{1,3}", "")), byteLevel(false)),
  "phi-4, gpt-oss": sequence(split(gpt4o), byteLevel(false)),
  "Mistral's Tekken": sequence(split(tekken), byteLevel(false)),
  BLOOM: sequence(split(" ?[^(\\s|[.,!?…。，、।۔،])]+"), byteLevel(false)),
  Falcon: sequence(
    { type: "Punctuation", behavior: "Contiguous" },
    byteLevel(true),
    { type: "Digits", individual_digits: false },
    split("[0-9][0-9][0-9]"),
  ),
  StarCoder: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)),
  "DeepSeek Coder": sequence(
    ...["[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+"].map(split),
    { type: "Digits", individual_digits: true },
    byteLevel(false),
  ),
  "DeepSeek LLM": sequence(
    ...["[\r\n]", "\\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$"].map(split),
    { type: "Digits", individual_digits: true },
    byteLevel(false),
  ),
  "DeepSeek V3": sequence(split("\\p{N}{1,3}"), split(han), split(deepseekV3), byteLevel(false)),
};

const texts = {
  "a page": `It's 12345 o'clock, SHE'LL say: “naïve” été 漢字かな 한국어 हिन्दी 🎻\r\n\n\t  if (x) { y++; }  \n`,
  "blanks before a word": `${" ".repeat(5000)}x`,
  "lines before a word": `${"\n ".repeat(5000)}x`,
  "one long word": "a".repeat(20_000),
  "capitals and signs": `${"A".repeat(10_000)}1${"-".repeat(10_000)}`,
  "letters without case": `${"漢".repeat(10_000)}1`,
};

describe.each(Object.entries(published))("what comes before the merges of %s", (_, pre_tokenizer) => {
  test.each(Object.entries(texts))("gives %s back, in well under its time", async (_, text) => {
    const tokenizer = await byteTokenizer(pre_tokenizer);
    const begin = performance.now();
    const ids = tokenizer.encode(text);
    expect(performance.now() - begin).toBeLessThan(2500);
    expect(ids).toHaveLength(Buffer.byteLength(text));
    expect(tokenizer.decode(ids)).toBe(text);
  });
});

async function byteTokenizer(pre_tokenizer: object): Promise<Tokenizer> {
  const folder = await temporaryFolder();
  const definition = {
    model: { type: "BPE", vocab: byteVocabulary(), merges: [] },
    decoder: { type: "ByteLevel" },
    ...{ added_tokens: [], normalizer: null, post_processor: null, pre_tokenizer },
  };
  await writeFile(path.join(folder, "tokenizer.json"), JSON.stringify(definition));
  return openTokenizer(folder);
}

/** GPT-2's letters for bytes: Latin-1's visible ones for themselves, the others from U+0100 on. */
function byteVocabulary(): Record<string, number> {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const isVisible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const hidden = bytes.filter((byte) => !isVisible(byte));
  const letterOf = (byte: number) => (isVisible(byte) ? byte : 256 + hidden.indexOf(byte));
  return Object.fromEntries(bytes.map((byte) => [String.fromCodePoint(letterOf(byte)), byte]));
}
