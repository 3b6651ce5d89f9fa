import { LuthierError } from "../error.js";
import { isJsonObject } from "./json-file.js";

/* What `tokenizer.json` does with a text before and after the model: normalizer and pre-tokenizer, decoder. */

export interface TokenizerSteps {
  /** Whether encoding a text may take without end, by patterns of the file or by steps that make it ever longer. */
  readonly encodesEndlessly: boolean;
  /** The same of decoding. */
  readonly decodesEndlessly: boolean;
}

/** @throws LuthierError when a step has no pattern: the library passes over it, and then splits texts into nothing. */
export function tokenizerSteps(
  { normalizer, pre_tokenizer: preTokenizer, decoder }: Readonly<Record<string, unknown>>,
  file: string,
): TokenizerSteps {
  const [before, after] = [stepsOf([normalizer, preTokenizer]), stepsOf([decoder])];
  for (const step of [...before, ...after]) {
    if (hasPattern(step) && patternOf(step) === null) {
      throw new LuthierError(
        `${file} has a step ${step.type} whose pattern is neither a String nor a Regex`,
        "Fetch the file again, or save the tokenizer again with the transformers library.",
      );
    }
  }
  return { encodesEndlessly: mayBeEndless(before), decodesEndlessly: mayBeEndless(after) };
}

type Step = Readonly<Record<string, unknown>>;

/** Steps, and the steps that these are made of. */
function stepsOf(outermost: readonly unknown[]): readonly Step[] {
  const queue = [...outermost];
  const steps: Step[] = [];
  for (const step of queue) {
    if (Array.isArray(step)) for (const each of step) queue.push(each); // too many to be arguments, perhaps
    if (!isJsonObject(step)) continue;
    queue.push(step.normalizers, step.pretokenizers, step.decoders);
    steps.push(step);
  }
  return steps;
}

function hasPattern({ type }: Step): boolean {
  return type === "Split" || type === "Replace";
}

interface Pattern {
  readonly isRegex: boolean;
  readonly text: string;
}

function patternOf({ pattern }: Step): Pattern | null {
  if (!isJsonObject(pattern)) return null;
  const isRegex = pattern.Regex !== undefined;
  const text = pattern.Regex ?? pattern.String;
  return typeof text === "string" ? { isRegex, text } : null;
}

/** Steps without a pattern of the file's own that take a time in proportion to the text. */
const plainTypes: ReadonlySet<unknown> = new Set([
  ...["Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Prepend"],
  ...["BertNormalizer", "BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit"],
  ...["Punctuation", "Digits", "WordPiece", "ByteFallback", "Fuse"],
]);

/** Some steps make a text twice as long: so many, one after another, are no harm yet. */
const mostSteps = 8;

function mayBeEndless(steps: readonly Step[]): boolean {
  return steps.length > mostSteps || !steps.every((step) => plainTypes.has(step.type) || isPlain(step));
}

/** Whether it looks for a plain text, and puts nothing longer in its place. */
function isPlain(step: Step): boolean {
  const pattern = hasPattern(step) ? patternOf(step) : null;
  if (pattern === null || pattern.isRegex || pattern.text === "") return false;
  const { content } = step;
  return step.type === "Split" || (typeof content === "string" && content.length <= pattern.text.length);
}
