import type { Encoder } from "./asking.js";

/** A passage as tokens, each with where it stands in the text. */
export interface PassageTokens {
  readonly tokens: readonly number[];
  /** Of each token its first character, and the one behind its last, without the blanks that it begins or ends with. */
  readonly places: readonly Place[];
}

type Place = readonly [first: number, end: number];

/**
 * A passage's tokens with the place of each. Places follow from what tokens decode to, compared without case, accents and
 * blanks, which tokenizers may change: of one token, or of several that only make whole characters together (bytes). Where the
 * text of a word cannot be told so (unknown words), its tokens all stand for the whole word.
 */
export function passageTokens(
  passage: string,
  { encode, decode }: Pick<Encoder, "encode" | "decode">,
): PassageTokens {
  const tokens = [...encode(passage)];
  const words = wordsOf(passage);
  const tokensOf = remembered((word) => [...encode(word)]);
  const inWords = words.flatMap(({ text }) => tokensOf(text));
  // Some tokenizers have tokens that reach over the border of words: then the passage is one.
  const isWordByWord = isSame(inWords, tokens);
  if (!isWordByWord) return { tokens, places: placesIn(passage, tokens, decode, encode) };
  const placesOf = remembered((word) => placesIn(word, tokensOf(word), decode, encode));
  const places = words.flatMap(({ text, first }) =>
    placesOf(text).map(([from, to]): Place => [first + from, first + to]),
  );
  return { tokens, places };
}

/** Each with the blanks before it; blanks at the passage's end belong to the last. */
function wordsOf(passage: string): readonly { readonly text: string; readonly first: number }[] {
  return [...passage.matchAll(/\s*\S+(?:\s+$)?/g)].map(({ 0: text, index }) => ({ text, first: index }));
}

function remembered<Value>(make: (word: string) => Value): (word: string) => Value {
  const known = new Map<string, Value>();
  return (word) => {
    const value = known.get(word) ?? make(word);
    known.set(word, value);
    return value;
  };
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** A character has at most four bytes, and each token one of them at least; with the tokens that end and begin within others. */
const mostTokensTogether = 8;

/** Where tokens stand in the text that they are of; all of them the whole text where that cannot be told. */
function placesIn(
  text: string,
  tokens: readonly number[],
  decode: Encoder["decode"],
  encode: Encoder["encode"],
): readonly Place[] {
  const unknown = tokens.map((): Place => [text.length - text.trimStart().length, text.trimEnd().length]);
  // Decoded behind something else, as the beginning of a text is decoded in its own way.
  const anchor = [...encode("a")];
  const said = (some: readonly number[]) => decode([...anchor, ...some]).slice(decode(anchor).length);
  const { characters, firsts, ends } = compared(text);
  const places: Place[] = [];
  let at = 0;
  for (let token = 0; token < tokens.length; token++) {
    const some = tokens.slice(places.length, token + 1);
    const found = compared(said(some)).characters;
    if (!characters.startsWith(found, at)) {
      if (some.length >= mostTokensTogether) return unknown;
      continue;
    }
    const next = firsts[at] ?? text.length;
    const place: Place = found === "" ? [next, next] : [next, ends[at + found.length - 1]];
    for (const _ of some) places.push(place);
    at += found.length;
  }
  return places.length === tokens.length && at === characters.length ? places : unknown;
}

/** A text as it is compared, and where each of its characters begins and ends in it. */
interface Compared {
  readonly characters: string;
  readonly firsts: readonly number[];
  readonly ends: readonly number[];
}

function compared(text: string): Compared {
  let characters = "";
  const [firsts, ends]: [number[], number[]] = [[], []];
  let first = 0;
  for (const character of text) {
    const end = first + character.length;
    const kept = character
      .normalize("NFKD")
      .replace(/[\s\p{M}\p{C}]/gu, "")
      .toLowerCase();
    for (const _ of kept.split("")) {
      firsts.push(first);
      ends.push(end);
    }
    // An accent of its own belongs to the letter before it.
    if (kept === "" && ends.length > 0 && /\p{M}/u.test(character)) ends[ends.length - 1] = end;
    characters += kept;
    first = end;
  }
  return { characters, firsts, ends };
}
