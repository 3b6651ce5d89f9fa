import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
const signs = [...".,;:!?'\"()-–$%&/"];
const words = ["the", "an", "cafe", "##fe", "##er", "##ing", "river", "日", "本"];

/** A small lower-case tokenizer of BERT's kind; what is of other characters is unknown to it. */
export const wordPieces = {
  normalizer: {
    type: "BertNormalizer",
    ...{ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(
      [
        ...["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        ...letters,
        ...letters.map((letter) => `##${letter}`),
        ...signs,
        ...words,
      ].map((token, id) => [token, id]),
    ),
  },
  post_processor: { type: "BertProcessing", cls: ["[CLS]", 2], sep: ["[SEP]", 3] },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content, id) => ({
    ...{ id, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  })),
};

export async function writeWordPieces(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "tokenizer.json"), JSON.stringify(wordPieces));
  return folder;
}
