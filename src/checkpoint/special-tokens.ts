import type { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { isJsonObject } from "./json-file.js";

/** Special tokens before and after a text. */
export interface TextFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Special tokens around two texts, such as a question and a passage. */
export interface PairFrame extends TextFrame {
  readonly between: readonly number[];
  /** Whether token types mark the second text and what follows it. */
  readonly marksSecond: boolean;
}

export interface SpecialTokens {
  readonly around: TextFrame;
  readonly aroundPair: PairFrame;
  /** The token that begins a text of which nothing comes before: that for beginnings, or else that for ends; null for neither. */
  readonly prefix: number | null;
  /** The token that ends texts; null without one. */
  readonly end: number | null;
}

/** @param config tokenizer_config.json. */
export function specialTokens(
  tokenizer: HuggingFaceTokenizer,
  config: Readonly<Record<string, unknown>>,
): SpecialTokens {
  const begin = idOf(config.bos_token, tokenizer);
  const end = idOf(config.eos_token, tokenizer);
  return { ...framesOf(tokenizer), prefix: begin ?? end, end };
}

/** A token as the configuration has it: its text, or an object with its `content`. */
function idOf(token: unknown, tokenizer: HuggingFaceTokenizer): number | null {
  const content = isJsonObject(token) ? token.content : token;
  return typeof content === "string" ? (tokenizer.token_to_id(content) ?? null) : null;
}

/** What the tokenizer puts around a text and around two, found by giving it some. */
function framesOf(tokenizer: HuggingFaceTokenizer): Pick<SpecialTokens, "around" | "aroundPair"> {
  const [first, second] = ["a", "b"].map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids);
  const { ids } = tokenizer.encode("a", { add_special_tokens: true });
  const at = placeOf(first, ids, 0);
  const around = { before: ids.slice(0, at), after: ids.slice(at + first.length) };
  const pair = tokenizer.encode("a", {
    ...{ text_pair: "b", add_special_tokens: true, return_token_type_ids: true },
  });
  const behindFirst = placeOf(first, pair.ids, 0) + first.length;
  const atSecond = placeOf(second, pair.ids, behindFirst);
  // Some tokenizers say nothing of pairs: then they stand side by side.
  if (atSecond < 0) return { around, aroundPair: { ...around, between: [], marksSecond: false } };
  const aroundPair = {
    before: pair.ids.slice(0, behindFirst - first.length),
    between: pair.ids.slice(behindFirst, atSecond),
    after: pair.ids.slice(atSecond + second.length),
    marksSecond: pair.token_type_ids[atSecond] === 1,
  };
  return { around, aroundPair };
}

/** Where `part` begins in `all`, from `from` on; −1 when it does not stand there. */
function placeOf(part: readonly number[], all: readonly number[], from: number): number {
  for (let at = from; at + part.length <= all.length; at++) {
    if (part.every((id, i) => all[at + i] === id)) return at;
  }
  return -1;
}
