import type { ContinuationInput } from "../../model/continuations.js";
import type { Asking, PreparedQuestion } from "./asking.js";
import { prefixOf } from "./choices.js";

interface PreparedText extends PreparedQuestion {
  readonly windows: readonly ContinuationInput[];
  /** Of the text. */
  readonly textTokens: number;
}

/** How likely a whole text is, every token once, in windows of the model's context. */
export const text: Asking<"text", PreparedText> = {
  prepare({ text }, { encode, special, contextLength }) {
    const tokens = encode(text);
    const windows = rollingWindows(tokens, prefixOf(special), contextLength);
    return {
      windows,
      textTokens: tokens.length,
      tokens: windows.reduce((sum, each) => sum + each.tokens.length - 1, 0),
      longest: Math.max(0, ...windows.map((each) => each.tokens.length - 1)),
      isCut: false,
    };
  },
  async answer(model, questions, _encoder, onProgress) {
    const found = await model.continuations(
      questions.flatMap(({ windows }) => windows),
      onProgress,
    );
    let first = 0;
    return questions.map(({ windows, textTokens }) => {
      const own = found.slice(first, first + windows.length);
      first += windows.length;
      const logLikelihood = own.reduce((sum, each) => sum + each.logLikelihood, 0);
      return { kind: "text", logLikelihood, tokens: textTokens };
    });
  },
};

/**
 * The windows of lm-evaluation-harness (`get_rolling_token_windows` with a context of 1, made disjoint): the first predicts
 * as many tokens as fit after the prefix token; each next one sees the last token before it and predicts as many; the last
 * one, with fewer left to predict, sees as much before them as fits. Unlike there, a token that the tokenizer puts before
 * texts is seen as the prefix, but not predicted.
 */
export function rollingWindows(
  tokens: Int32Array,
  prefix: number,
  contextLength: number,
): readonly ContinuationInput[] {
  const windows: ContinuationInput[] = [];
  for (let predicted = 0; predicted < tokens.length; ) {
    const end = Math.min(predicted + contextLength, tokens.length);
    const scored = end - predicted;
    const isFirst = predicted === 0;
    const from = isFirst ? 0 : end - contextLength - 1;
    const seen = [...(isFirst ? [prefix] : []), ...tokens.subarray(from, end)];
    windows.push({ tokens: Int32Array.from(seen), scored });
    predicted = end;
  }
  return windows;
}
