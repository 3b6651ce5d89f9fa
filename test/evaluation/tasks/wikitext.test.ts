import { expect, test } from "vitest";
import { wikitext } from "../../../src/evaluation/tasks/wikitext.js";
import { asked } from "./asked.js";

/** The regular expressions of lm_eval/tasks/wikitext/preprocess_wikitext.py, for brackets and quotes. */
function tightenedByExpressions(text: string): string {
  return text
    .replace(/\(\s*([^)]*?)\s*\)/g, "($1)")
    .replace(/\[\s*([^\]]*?)\s*\]/g, "[$1]")
    .replace(/\{\s*([^}]*?)\s*\}/g, "{$1}")
    .replace(/"\s*([^"]*?)\s*"/g, '"$1"')
    .replace(/'\s*([^']*?)\s*'/g, "'$1'");
}

test.each([
  ["1 @,@ 024 @.@ 5 , well @-@ known", "1,024.5, well-known"],
  ["so ; now : then ! what ? this . end", "so; now: then! what? this. end"],
  [" = = Life = = \n Born .", " == Life ==\nBorn ."],
  ["in N days , 5 ° C , he 's", "in 1 days, 5°C, he's"],
  ["the gulls ' nest", "the gulls' nest"],
])("%j becomes %j", (page, text) => {
  expect(asked("wikitext", "causal", { page }).question).toEqual({ kind: "text", text });
});

test("brackets and quotes are tightened as the harness's expressions do it", () => {
  const signs = ["( ", " ) ", "[", " ]", "{ ", "}", ' " ', " ' ", "a", "  "];
  let seed = 1;
  for (let round = 0; round < 2000; round++) {
    let page = "";
    for (let at = 0; at < 12; at++) {
      seed = (seed * 48271) % 2147483647;
      page += signs[seed % signs.length];
    }
    const { question } = asked("wikitext", "causal", { page });
    expect(question).toEqual({ kind: "text", text: tightenedByExpressions(page.replaceAll("s '", "s'")) });
  }
});

test("words and bytes are counted before marks are undone", () => {
  const { gold } = asked("wikitext", "causal", { page: " é @,@ 1 \n" });
  expect(gold).toEqual({ kind: "text", words: 5, bytes: 11 });
});

test("a raw file is cut before each article's title, not before its sections'", () => {
  const raw =
    " \n = One = \n \n Text . \n = = Part = = \n More . \n = = = Sub = = = \n \n = Two = \r\n Text . \n";
  const rows = wikitext.data.rowsOfText?.(raw);
  expect(rows).toEqual([
    { page: " = One = \n \n Text . \n = = Part = = \n More . \n = = = Sub = = = \n " },
    { page: " = Two = \n Text . \n" },
  ]);
});

test("a raw file without titles is one article, an empty one none", () => {
  expect(wikitext.data.rowsOfText?.("Text .")).toEqual([{ page: "Text ." }]);
  expect(wikitext.data.rowsOfText?.(" \n")).toEqual([]);
});

test("a row without page is refused", () => {
  expect(() => asked("wikitext", "causal", { text: "a" })).toThrow("no column page");
});
