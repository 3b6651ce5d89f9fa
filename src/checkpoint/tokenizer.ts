import { readdir } from "node:fs/promises";
import path from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { LuthierError } from "../error.js";
import { readBounded } from "./bounded-file.js";
import { configFile } from "./checkpoint-files.js";
import { fileError } from "./file-error.js";
import { isJsonObject, readJsonObject } from "./json-file.js";
import { type SpecialTokens, specialTokens } from "./special-tokens.js";
import { TookTooLong, withinTime } from "./time-limit.js";
import { tokenizerSteps } from "./tokenizer-steps.js";

/** Text to token ids and back, as the checkpoint's `tokenizer.json` says. */
export interface Tokenizer {
  /** No special tokens are added. @throws LuthierError when a piece of the text has no id. */
  encode(text: string): Int32Array;
  /** @throws LuthierError when the file's decoder cannot. */
  decode(ids: ArrayLike<number>): string;
  readonly special: SpecialTokens;
  /** One more than the largest id. */
  readonly vocabularySize: number;
}

const tokenizerFile = "tokenizer.json";
const tokenizerConfigFile = "tokenizer_config.json";
const templateFile = "chat_template.jinja";
const templateBytesLimit = 10e6;

/** What a checkpoint says of its tokenizer. */
export interface TokenizerFiles {
  /** tokenizer.json. */
  readonly definition: Readonly<Record<string, unknown>>;
  /** tokenizer_config.json; empty when there is none. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The Jinja template of a conversation, from its own file or the configuration; null when there is none. */
  readonly chatTemplate: string | null;
}

/** Null when there is no `tokenizer.json`. @throws LuthierError when a file is broken. */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles | null> {
  const names = await namesIn(directory);
  if (!names.includes(tokenizerFile)) return null;
  const definition = await readJsonObject(path.join(directory, tokenizerFile));
  const config = names.includes(tokenizerConfigFile)
    ? await readJsonObject(path.join(directory, tokenizerConfigFile))
    : {};
  if (names.includes(templateFile)) {
    const template = await readBounded(path.join(directory, templateFile), templateBytesLimit);
    return { definition, config, chatTemplate: new TextDecoder().decode(template) };
  }
  const { chat_template: template } = config;
  return { definition, config, chatTemplate: typeof template === "string" ? template : null };
}

/** @throws LuthierError when there is no `tokenizer.json`, it is broken, or of a kind that is not known. */
export async function openTokenizer(directory: string): Promise<Tokenizer> {
  const file = path.join(directory, tokenizerFile);
  const files = await readTokenizerFiles(directory);
  if (files === null) throw noTokenizer(directory, await namesIn(directory));
  const { definition, config } = files;
  const vocabularySize = vocabularySizeOf(definition, file);
  const { encodesEndlessly, decodesEndlessly } = tokenizerSteps(definition, file);
  const modelConfig = await readModelConfig(directory);
  const { tokenizer, special } = build(splitAtWords(definition), config, modelConfig, vocabularySize, file);
  return {
    encode: (text) => encode(tokenizer, text, file, timeLimit(encodesEndlessly)),
    decode: (ids) => decode(tokenizer, ids, file, timeLimit(decodesEndlessly)),
    vocabularySize,
    special,
  };
}

/** Empty for a tokenizer by itself. */
async function readModelConfig(directory: string): Promise<Readonly<Record<string, unknown>>> {
  const names = await namesIn(directory);
  return names.includes(configFile) ? readJsonObject(path.join(directory, configFile)) : {};
}

function build(
  definition: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
  modelConfig: Readonly<Record<string, unknown>>,
  vocabularySize: number,
  file: string,
): { readonly tokenizer: HuggingFaceTokenizer; readonly special: SpecialTokens } {
  try {
    return withinTime(limitMilliseconds(vocabularySize), () => {
      const tokenizer = new HuggingFaceTokenizer(definition, config);
      return { tokenizer, special: specialTokens(tokenizer, config, modelConfig) };
    });
  } catch (error) {
    if (error instanceof TookTooLong) throw endless(file, "making it ready", error);
    throw new LuthierError(
      `${file} is no tokenizer that can be used: ${(error as Error).message}`,
      "Fetch the file again, or save the tokenizer again with the transformers library.",
      { cause: error },
    );
  }
}

function encode(
  tokenizer: HuggingFaceTokenizer,
  text: string,
  file: string,
  within: typeof withinTime,
): Int32Array {
  const { ids, tokens } = (() => {
    try {
      return within(limitMilliseconds(text.length), () =>
        tokenizer.encode(text, { add_special_tokens: false }),
      );
    } catch (error) {
      if (error instanceof TookTooLong) throw endless(file, `encoding ${text.length} characters`, error);
      // Models of other kinds than BPE and WordPiece pass a whole text as arguments, which overflows the stack.
      throw new LuthierError(
        `${file} cannot encode a text of ${text.length} characters: ${(error as Error).message}`,
        "Use a shorter text.",
        { cause: error },
      );
    }
  })();
  const unknown = ids.findIndex((id: number) => !Number.isInteger(id));
  if (unknown >= 0) {
    throw new LuthierError(
      `${file} has no id for ${JSON.stringify(tokens[unknown])}, and no unknown token to stand for it`,
      "Use the tokenizer that the model was trained with.",
    );
  }
  return Int32Array.from(ids);
}

function decode(
  tokenizer: HuggingFaceTokenizer,
  ids: ArrayLike<number>,
  file: string,
  within: typeof withinTime,
): string {
  if (ids.length === 0) return ""; // which the library refuses
  try {
    // It tidies blanks unless told not to.
    return within(limitMilliseconds(ids.length), () =>
      tokenizer.decode(Array.from(ids), { clean_up_tokenization_spaces: false }),
    );
  } catch (error) {
    if (error instanceof TookTooLong) throw endless(file, `decoding ${ids.length} tokens`, error);
    throw new LuthierError(
      `${file} cannot decode ${ids.length} tokens: ${(error as Error).message}`,
      "Fetch the file again, or save the tokenizer again with the transformers library.",
      { cause: error },
    );
  }
}

/** Being ready to stop costs more than most words do: where nothing can be endless, nothing is watched. */
function timeLimit(isNeeded: boolean): typeof withinTime {
  return isNeeded ? withinTime : (_, work) => work();
}

/**
 * What tokens, characters or entries of a vocabulary may take: twenty-five times what a slow tokenizer takes, so that only
 * patterns pass it that go back and forth in the text. Those of a stranger may do so without end.
 */
function limitMilliseconds(items: number): number {
  return 5000 + Math.round(items / 10);
}

function endless(file: string, doing: string, error: TookTooLong): LuthierError {
  return new LuthierError(
    `${file}: ${doing} ${error.message}; its patterns may search the text without end`,
    "Do not use this tokenizer; fetch that of the model's authors.",
    { cause: error },
  );
}

/**
 * The same tokenizer with words split before the merges run, where that provably changes no id.
 *
 * Tokenizers converted from SentencePiece BPE (Llama 2, Mistral) have no pre-tokenizer: a whole text is one word, which
 * costs half a kilobyte and four microseconds a character, and nothing of it can be remembered. But when no merge makes
 * a token with the blank "▁" after another character, then no merge ever joins across such a place: the parts on its two
 * sides are merged independently, and may as well be given one by one.
 */
function splitAtWords(definition: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { model, pre_tokenizer: preTokenizer } = definition;
  if ((preTokenizer ?? null) !== null || !isJsonObject(model) || model.type !== "BPE") return definition;
  const { merges, ignore_merges: wholeWordsFirst } = model;
  // A suffix or prefix depends on where words end, and so does a look-up of the whole word.
  const dependsOnWords =
    wholeWordsFirst ||
    model.end_of_word_suffix ||
    model.continuing_subword_prefix ||
    model.continuing_subword_suffix;
  if (dependsOnWords || !Array.isArray(merges) || !merges.every(isMerge)) return definition;
  if (merges.some(joinsBlank)) return definition;
  const split = { type: "Split", pattern: { Regex: "▁*[^▁]+|▁+" }, behavior: "Isolated", invert: true };
  return { ...definition, pre_tokenizer: split };
}

/** `"a b"` or `["a", "b"]`. */
type Merge = string | readonly string[];

function isMerge(value: unknown): value is Merge {
  return (
    typeof value === "string" || (Array.isArray(value) && value.every((part) => typeof part === "string"))
  );
}

/** True when a merge makes a token with a blank behind another character. */
function joinsBlank(merge: Merge): boolean {
  const token = typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
  return /[^▁]▁/.test(token);
}

/** No model has more tokens; a larger id would make the library count up to it. */
const idLimit = 10_000_000;

/** One more than the largest id. @throws LuthierError when an id is no whole number below the limit. */
function vocabularySizeOf(definition: Readonly<Record<string, unknown>>, file: string): number {
  const { model, added_tokens: added } = definition;
  const vocabulary = isJsonObject(model) ? model.vocab : null;
  // A list (Unigram) numbers its tokens by their places.
  let size = Array.isArray(vocabulary) ? vocabulary.length : 0;
  const ids = isJsonObject(vocabulary) ? Object.values(vocabulary) : [];
  const addedIds = Array.isArray(added) ? added.map((token) => token?.id) : [];
  for (const id of [...ids, ...addedIds]) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= idLimit) {
      throw new LuthierError(
        `${file} gives a token the id ${JSON.stringify(id)}`,
        "Fetch the file again, or save the tokenizer again with the transformers library.",
      );
    }
    size = Math.max(size, (id as number) + 1);
  }
  return size;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw fileError("read", directory, error);
  }
}

function noTokenizer(directory: string, names: readonly string[]): LuthierError {
  if (names.includes("tokenizer.model")) {
    return new LuthierError(
      `${directory} has its tokenizer only as a SentencePiece model (tokenizer.model)`,
      "Convert it: in Python, AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder).",
    );
  }
  return new LuthierError(
    `${directory} has no ${tokenizerFile}`,
    "Fetch tokenizer.json of the model into the folder, or save the tokenizer there with the transformers library.",
  );
}
