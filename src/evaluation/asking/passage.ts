import type { Encoder } from "./asking.js";

/** A passage as tokens, each with where it stands in the text. */
export interface PassageTokens {
  readonly tokens: readonly number[];
  /** Of each token its first character, and the one behind its last. */
  readonly places: readonly (readonly [first: number, end: number])[];
}

/**
 * Tokenizes a passage word by word, so that every token's place is known: tokenizers split at blanks in any case. Within a
 * word places follow from what its first tokens decode to; where these are other characters (lower case of another length,
 * unknown words) all of its tokens stand for the whole word.
 */
export function passageTokens(
  passage: string,
  { encode, decode }: Pick<Encoder, "encode" | "decode">,
): PassageTokens {
  const known = new Map<string, { tokens: readonly number[]; ends: readonly number[] }>();
  const tokens: number[] = [];
  const places: (readonly [number, number])[] = [];
  for (const { 0: word, index } of passage.matchAll(/\S+/g)) {
    const before = index === 0 ? "" : " ";
    const key = before + word;
    const found = known.get(key) ?? inWord(before, word, encode, decode);
    known.set(key, found);
    for (const [i, token] of found.tokens.entries()) {
      tokens.push(token);
      const isSplit = found.ends.length > 0;
      places.push(
        isSplit ? [index + (found.ends[i - 1] ?? 0), index + found.ends[i]] : [index, index + word.length],
      );
    }
  }
  return { tokens, places };
}

/** The tokens of a word and where each ends in it; no ends where they cannot be told. */
function inWord(
  before: string,
  word: string,
  encode: Encoder["encode"],
  decode: Encoder["decode"],
): { tokens: readonly number[]; ends: readonly number[] } {
  const tokens = [...encode(before + word)];
  const ends = tokens.map((_, i) => decode(tokens.slice(0, i + 1)).replaceAll(" ", "").length);
  const isTold =
    ends[ends.length - 1] === word.length && ends.every((end, i) => i === 0 || end >= ends[i - 1]);
  return { tokens, ends: isTold ? ends : [] };
}
