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

/**
 * @param config tokenizer_config.json.
 * @param modelConfig config.json, which numbers the tokens that begin and end texts: it counts where the tokenizer's
 *   configuration names neither, as GPT-2's.
 * @throws Error when the tokenizer puts tokens around texts that it has no ids for.
 */
export function specialTokens(
  tokenizer: HuggingFaceTokenizer,
  config: Readonly<Record<string, unknown>>,
  modelConfig: Readonly<Record<string, unknown>>,
): SpecialTokens {
  const named = [idOf(config.bos_token, tokenizer), idOf(config.eos_token, tokenizer)];
  const numbered = [modelConfig.bos_token_id, modelConfig.eos_token_id].map((id) => knownId(id, tokenizer));
  const [begin, end] = named.some((id) => id !== null) ? named : numbered;
  return { ...framesOf(tokenizer), prefix: begin ?? end, end };
}

/** A token as the configuration has it: its text, or an object with its `content`. */
function idOf(token: unknown, tokenizer: HuggingFaceTokenizer): number | null {
  const content = isJsonObject(token) ? token.content : token;
  return typeof content === "string" ? (tokenizer.token_to_id(content) ?? null) : null;
}

/** An id, or the first of several, where the tokenizer has it. */
function knownId(ids: unknown, tokenizer: HuggingFaceTokenizer): number | null {
  const id = Array.isArray(ids) ? ids[0] : ids;
  return Number.isInteger(id) && tokenizer.id_to_token(id) !== undefined ? id : null;
}

/** What the tokenizer puts around a text and around two, found by giving it some. */
function framesOf(tokenizer: HuggingFaceTokenizer): Pick<SpecialTokens, "around" | "aroundPair"> {
  const [first, second] = ["a", "b"].map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids);
  const alone = tokenizer.encode("a", { add_special_tokens: true });
  const at = placeOf(first, alone.ids, 0);
  const around =
    at < 0
      ? { before: [], after: [] }
      : { before: alone.ids.slice(0, at), after: alone.ids.slice(at + first.length) };
  const pair = tokenizer.encode("a", {
    ...{ text_pair: "b", add_special_tokens: true, return_token_type_ids: true },
  });
  const atFirst = placeOf(first, pair.ids, 0);
  const behindFirst = atFirst + first.length;
  const atSecond = placeOf(second, pair.ids, behindFirst);
  expectIds([...around.before, ...around.after, ...pair.ids.slice(behindFirst, atSecond)]);
  // Some tokenizers say nothing of pairs: then they stand side by side.
  if (atFirst < 0 || atSecond < 0)
    return { around, aroundPair: { ...around, between: [], marksSecond: false } };
  const types: readonly number[] | undefined = pair.token_type_ids; // none without a post-processor
  const aroundPair = {
    before: pair.ids.slice(0, atFirst),
    between: pair.ids.slice(behindFirst, atSecond),
    after: pair.ids.slice(atSecond + second.length),
    // RoBERTa has one type of tokens; the library counts two.
    marksSecond: types?.[atSecond] === 1 && tokenizer.post_processor?.config.type !== "RobertaProcessing",
  };
  return { around, aroundPair };
}

function expectIds(ids: readonly (number | undefined)[]): void {
  if (ids.every((id) => Number.isInteger(id))) return;
  throw new Error("its post_processor puts a token around texts that has no id");
}

/** Where `part` begins in `all`, from `from` on; −1 when it does not stand there. */
function placeOf(part: readonly number[], all: readonly number[], from: number): number {
  for (let at = from; at + part.length <= all.length; at++) {
    if (part.every((id, i) => all[at + i] === id)) return at;
  }
  return -1;
}
