/*
 * White space as Python sees it in text (`str.isspace`, `str.strip`, `\s` of `re`): with the separators U+001C to U+001F and
 * U+0085, without U+FEFF, unlike JavaScript. Word counts and stripped texts must equal lm-evaluation-harness's.
 */
const whitespace = "[\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const runs = new RegExp(`${whitespace}+`, "g");
const atStart = new RegExp(`^${whitespace}+`);
const one = new RegExp(whitespace);

/** The text without white space at its ends. */
export function strip(text: string): string {
  const start = atStart.exec(text)?.[0].length ?? 0;
  let end = text.length;
  while (end > start && one.test(text[end - 1])) end--;
  return text.slice(start, end);
}

/** Pieces between runs of white space, an empty one at either end counted too: `len(re.split(r"\s+", text))`. */
export function countWords(text: string): number {
  return 1 + (text.match(runs)?.length ?? 0);
}
