import { bitsPerByte, bytePerplexity, wordPerplexity } from "../metrics/text.js";
import type { Task } from "../task.js";
import { textColumn } from "./columns.js";
import { countWords, strip } from "./whitespace.js";

/**
 * Whole articles, each from its first token on, the tokenizer's marks of WikiText undone. Words and bytes are counted before that.
 * Per word and byte, so the numbers compare between tokenizers, but not with perplexity per token (`perplexity`).
 */
export const wikitext: Task = {
  name: "wikitext",
  summary: "WikiText-2: how well whole articles are foreseen, per word and byte",
  data: {
    dataset: "EleutherAI/wikitext_document_level@refs/convert/parquet",
    config: "wikitext-2-raw-v1",
    split: "test",
    shotsSplit: null,
    header: null,
    rowsOfText: (text) => articlesOf(text).map((page) => ({ page })),
  },
  forms: {
    causal: {
      harness: { task: "wikitext", version: "2.0" },
      metrics: [wordPerplexity, bytePerplexity, bitsPerByte],
      example(row) {
        const page = textColumn(row, "page");
        return {
          question: { kind: "text", text: detokenized(page) },
          gold: { kind: "text", words: countWords(page), bytes: Buffer.byteLength(page) },
        };
      },
    },
  },
};

/**
 * The articles of WikiText's raw file, as the document-level data set was made of it: each begins at a line ` = Title = `,
 * where titles of sections have more signs.
 */
function articlesOf(text: string): readonly string[] {
  const articles: string[][] = [[]];
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const title = strip(line.replaceAll("= = =", "===").replaceAll("= =", "=="));
    if (title.startsWith("= ") && title.endsWith(" =")) articles.push([]);
    articles[articles.length - 1].push(line);
  }
  return articles.map((lines) => lines.join("\n")).filter((article) => strip(article) !== "");
}

/** Steps and their order are the harness's, with what they overlook. */
function detokenized(page: string): string {
  let text = page.replaceAll("s '", "s'").replace(/\/' [0-9]\//g, "/'[0-9]/");
  for (const sign of ["-", ",", "."]) text = text.replaceAll(` @${sign}@ `, sign);
  for (const sign of [":", ";", ".", "!", "?", ","]) text = text.replaceAll(` ${sign} `, `${sign} `);
  for (const [open, close] of ["()", "[]", "{}", '""', "''"]) text = tightened(text, open, close);
  for (const signs of ["= = = =", "= = =", "= ="]) text = text.replaceAll(signs, signs.replaceAll(" ", ""));
  return text
    .replaceAll(" ° ", "°")
    .replaceAll(" \n", "\n")
    .replaceAll("\n ", "\n")
    .replaceAll(" N ", " 1 ")
    .replaceAll(" 's", "'s");
}

/** Without white space inside brackets or quotes, from each opening one to the next closing one. */
function tightened(text: string, open: string, close: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (;;) {
    const start = text.indexOf(open, from);
    const end = start < 0 ? -1 : text.indexOf(close, start + 1);
    if (end < 0) return pieces.join("") + text.slice(from);
    pieces.push(text.slice(from, start + 1), strip(text.slice(start + 1, end)), close);
    from = end + 1;
  }
}
