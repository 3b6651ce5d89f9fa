import { expect, test } from "vitest";
import { countWords, strip } from "../../../src/evaluation/tasks/whitespace.js";

/** Of all code points, those with `str.isspace()` in Python 3.11, which are those of `\s` in its `re`. */
const spaces = [
  ...[9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
];

test("white space is what Python says it is, and nothing else", () => {
  for (let code = 0; code < 0x10000; code++) {
    const isSpace = strip(String.fromCharCode(code)) === "";
    if (isSpace !== spaces.includes(code)) expect.fail(`U+${code.toString(16)}`);
  }
});

test("ends are stripped, the middle is not", () => {
  expect(strip(" \u0085a  b\u3000\n")).toBe("a  b");
  expect(strip("")).toBe("");
});

test.each([
  ["", 1],
  ["one", 1],
  ["one two", 2],
  [" one\n\n two ", 4], // an empty piece at either end
  ["a\u001cb\ufeffc", 2],
])("%j has as many words as Python's re.split finds", (text, words) => {
  expect(countWords(text)).toBe(words);
});
