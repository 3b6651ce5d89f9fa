import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openTokenizer } from "../../../src/checkpoint/tokenizer.js";
import { passageTokens } from "../../../src/evaluation/asking/passage.js";
import { suiteFolder } from "../../pipeline/run.js";
import { writeWordPieces } from "./word-pieces.js";

const byteLevel = await openTokenizer("models/tiny");
const wordPiece = await openTokenizer(await writeWordPieces(suiteFolder()));

const pieces = [
  "the",
  "river",
  "Café",
  "naïve",
  "x",
  "42",
  ",",
  ".",
  "'s",
  "(",
  "—",
  "日本",
  "😀",
  "e\u0301",
];
const blanks = [" ", "  ", "\n", "\t", "\u00a0", " \n\n "];
const passages = fc
  .array(fc.constantFrom(...pieces, ...blanks), { maxLength: 30 })
  .map((each) => each.join(""));

/** What stands at each token's place. */
function slices(passage: string, tokenizer = wordPiece): readonly string[] {
  return passageTokens(passage, tokenizer).places.map(([first, end]) => passage.slice(first, end));
}

describe.each([
  ["byte-level pairs", byteLevel],
  ["word pieces", wordPiece],
])("the tokens of a passage, %s", (_, tokenizer) => {
  test("are those of the whole passage", () => {
    fc.assert(
      fc.property(passages, (passage) => {
        expect(passageTokens(passage, tokenizer).tokens).toEqual([...tokenizer.encode(passage)]);
      }),
    );
  });

  test("have places within the passage, in its order, that no blank begins or ends", () => {
    fc.assert(
      fc.property(fc.oneof(passages, fc.string({ unit: "binary" })), (passage) => {
        const { tokens, places } = passageTokens(passage, tokenizer);
        expect(places).toHaveLength(tokens.length);
        const isInOrder = ([first, end]: readonly number[], i: number) =>
          (places[i - 1]?.[0] ?? 0) <= first && first <= end && end <= passage.length;
        expect(places.filter((place, i) => !isInOrder(place, i))).toEqual([]);
        const texts = places.map(([first, end]) => passage.slice(first, end));
        expect(texts).toEqual(texts.map((text) => text.trim()));
      }),
    );
  });

  test("stand where every character of the passage is in one of them", () => {
    fc.assert(
      fc.property(passages, (passage) => {
        const { places } = passageTokens(passage, tokenizer);
        const isCovered = ({ index, 0: character }: RegExpMatchArray) =>
          places.some(([first, end]) => first <= index! && index! + character.length <= end);
        const characters = [...passage.matchAll(/[^\s\p{M}]/gu)];
        expect(characters.filter((each) => !isCovered(each))).toEqual([]);
      }),
    );
  });
});

/** Byte-level tokens by their bytes, by GPT-2's table of a character for each byte. */
function bytesOf(): (token: number) => number {
  const { model, added_tokens: added } = JSON.parse(readFileSync("models/tiny/tokenizer.json", "utf8"));
  const texts = new Map(Object.entries<number>(model.vocab).map(([text, id]) => [id, text]));
  for (const { id, content } of added) texts.set(id, content);
  return (token) => [...(texts.get(token) as string)].length;
}

test("places of byte-level tokens are those that their bytes have in the passage", () => {
  const count = bytesOf();
  fc.assert(
    fc.property(passages, (passage) => {
      const { tokens, places } = passageTokens(passage, byteLevel);
      // Of each byte of the passage, the character that it belongs to.
      const owners = [...passage.matchAll(/./gsu)].flatMap(({ 0: character, index }) =>
        Array.from({ length: Buffer.byteLength(character) }, () => [index, index + character.length]),
      );
      let at = 0;
      for (const [i, token] of tokens.entries()) {
        const own = owners.slice(at, at + count(token));
        at += own.length;
        const [from, to] = [own[0][0], own[own.length - 1][1]];
        const text = passage.slice(from, to);
        if (/^[\s\p{M}]*$/u.test(text)) continue;
        const first = from + text.length - text.trimStart().length;
        expect(places[i][0]).toBe(first);
        expect(passage.slice(...places[i]).replace(/\p{M}/gu, "")).toBe(text.trim().replace(/\p{M}/gu, ""));
      }
    }),
  );
});

test("word pieces stand for their part of the word, whatever its case, accents and signs", () => {
  expect(slices("The CAFÉ's rivering.")).toEqual(["The", "CAFÉ", "'", "s", "river", "ing", "."]);
  expect(slices("  Cafe\u0301,\n\n日本")).toEqual(["Cafe\u0301", ",", "日", "本"]);
});

test("tokens of an unknown word stand for the whole word; those after it for their own", () => {
  expect(slices("The 😀river, the Жук! river")).toEqual([
    ...["The", "😀river,", "😀river,", "the"],
    ...["Жук!", "Жук!", "river"],
  ]);
});

test("tokens that are parts of a character stand for the whole of it", () => {
  const [, ...emoji] = slices("a😀", byteLevel);
  expect(emoji.length).toBeGreaterThan(1);
  expect(new Set(emoji)).toEqual(new Set(["😀"]));
});

test("nothing but blanks has no place to point to", () => {
  for (const tokenizer of [byteLevel, wordPiece])
    for (const passage of ["", "  ", "\n"]) expect(slices(passage, tokenizer).join("")).toBe("");
});
