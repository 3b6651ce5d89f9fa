import type { Chance } from "./chance.js";
import { mutateBytes } from "./mutate-bytes.js";

/** Changes text by lines and marks: left out, doubled, swapped, indented, with what means something to a parser put in. */
export function mutateText(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  if (chance.oncePer(5)) return mutateBytes(bytes, other, chance);
  let text = Buffer.from(bytes).toString("utf8");
  const otherText = Buffer.from(other).toString("utf8");
  for (let left = 1 + chance.below(4); left > 0; left--)
    text = chance.oneOf(changes)(text, otherText, chance);
  return Buffer.from(text.slice(0, 2 ** 18));
}

type Change = (text: string, other: string, chance: Chance) => string;

const changes: readonly Change[] = [
  (text, _, chance) => inserted(text, chance.oneOf(marks), chance),
  (text, _, chance) => inserted(text, chance.oneOf(words), chance),
  (text, _, chance) => {
    const at = chance.below(text.length + 1);
    return text.slice(0, at) + text.slice(at + chance.below(12));
  },
  (text, _, chance) => withLines(text, (lines, at) => lines.splice(at, 1 + chance.below(2)), chance),
  (text, _, chance) => withLines(text, (lines, at) => lines.splice(at, 0, lines[at]), chance),
  (text, _, chance) =>
    withLines(
      text,
      (lines, at) => lines.splice(at, 1, chance.oneOf(["  ", "\t", "- ", "? "]) + lines[at]),
      chance,
    ),
  (text, other, chance) =>
    withLines(text, (lines, at) => lines.splice(at, 0, chance.oneOf(other.split("\n"))), chance),
  (text, _, chance) => inserted(text, chance.oneOf(marks).repeat(chance.oneOf([2, 50, 3000])), chance),
];

const marks = [
  "[",
  "]",
  "{",
  "}",
  ":",
  ": ",
  ",",
  "- ",
  '"',
  "'",
  "\t",
  "\r",
  "\r\n",
  "\n",
  "#",
  "&a ",
  "*a",
  "*a *a",
  "!!",
  "|",
  ">",
  "%",
  "---\n",
  "<<: ",
  "? ",
  "\u0000",
  "\ufeff",
  "\u2028",
  "\\",
  "é",
  "🎻",
];
const words = [
  "null",
  "~",
  "true",
  ".nan",
  ".inf",
  "-0",
  "0x10",
  "1e999",
  "9007199254740993",
  "2026-11-21",
  "!!binary aGk=",
  "!!set {a}",
  "!!omap [a: 1]",
  "&a [*a]",
  "{toString: 1}",
  "__proto__: 1\n",
  "constructor",
  "../../x",
  "a\tb",
  '""""',
  '"\n"',
  "{a: &b [1], c: *b}",
  "x".repeat(3000),
];

function inserted(text: string, piece: string, chance: Chance): string {
  const at = chance.below(text.length + 1);
  return text.slice(0, at) + piece + text.slice(at);
}

function withLines(text: string, change: (lines: string[], at: number) => void, chance: Chance): string {
  const lines = text.split("\n");
  change(lines, chance.below(lines.length));
  return lines.join("\n");
}
