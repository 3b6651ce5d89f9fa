import type { SpecialTokens } from "../../checkpoint/special-tokens.js";
import { LuthierError } from "../../error.js";
import type { ContinuationInput } from "../../model/continuations.js";
import type { Asking, Encoder, PreparedQuestion } from "./asking.js";

interface PreparedChoices extends PreparedQuestion {
  readonly inputs: readonly ContinuationInput[];
}

/** Choices by how likely each continuation is after its context. */
export const choices: Asking<"choices", PreparedChoices> = {
  prepare(question, encoder) {
    const once = { ...encoder, encode: remembering(encoder.encode) }; // choices mostly share their context
    const inputs = question.choices.map(({ context, continuation }) =>
      continuationInput(context, continuation, once),
    );
    return {
      inputs: inputs.map(({ input }) => input),
      tokens: inputs.reduce((sum, { input }) => sum + input.tokens.length - 1, 0),
      longest: Math.max(...inputs.map(({ input }) => input.tokens.length - 1)),
      isCut: inputs.some(({ isCut }) => isCut),
    };
  },
  async answer(model, questions, _encoder, onProgress) {
    const found = await model.continuations(
      questions.flatMap(({ inputs }) => inputs),
      onProgress,
    );
    let first = 0;
    return questions.map(({ inputs }) => {
      const own = found.slice(first, first + inputs.length);
      first += inputs.length;
      return {
        kind: "choices",
        logLikelihoods: own.map(({ logLikelihood }) => logLikelihood),
        greedy: own.map(({ isGreedy }) => isGreedy),
      };
    });
  },
};

/**
 * A context and what follows it as tokens, as lm-evaluation-harness makes them (`_encode_pair`): blanks at the context's end
 * belong to the continuation, and its tokens are those that both together have more than the context by itself. (Where a token
 * of both would reach over their border, the context still has its own.) Before them stands what the tokenizer puts before
 * texts, and where that is nothing and there is no context, the prefix token. Of a text that is longer than the model's
 * context the end is kept.
 *
 * @throws LuthierError when nothing is left to be scored, or there is nothing before it.
 */
export function continuationInput(
  context: string,
  continuation: string,
  { encode, special, contextLength }: Encoder,
): { readonly input: ContinuationInput; readonly isCut: boolean } {
  const trimmed = context.trimEnd();
  const seen = trimmed === "" ? [] : encode(trimmed);
  const own = encode(context + continuation).slice(seen.length);
  if (own.length === 0) {
    throw new LuthierError(
      `the continuation ${JSON.stringify(continuation)} has no token of its own`,
      "check the row that it comes from, and that tokenizer.json belongs to this checkpoint",
    );
  }
  const { before } = special.around;
  const first = seen.length + before.length > 0 ? before : [prefixOf(special)];
  const whole = [...first, ...seen, ...own];
  const longest = contextLength + 1; // the last token is not computed
  const tokens = Int32Array.from(whole.slice(-longest));
  const input = { tokens, scored: Math.min(own.length, tokens.length - 1) };
  return { input, isCut: tokens.length < whole.length };
}

/** @throws LuthierError for a tokenizer without any such token. */
export function prefixOf({ prefix }: Pick<SpecialTokens, "prefix">): number {
  if (prefix !== null) return prefix;
  throw new LuthierError(
    "the tokenizer has neither a token that begins texts nor one that ends them, and nothing stands before this one",
    "name bos_token or eos_token in tokenizer_config.json",
  );
}

/** Encodes each text once. */
function remembering(encode: Encoder["encode"]): Encoder["encode"] {
  const known = new Map<string, Int32Array>();
  return (text) => {
    const tokens = known.get(text) ?? encode(text);
    known.set(text, tokens);
    return tokens;
  };
}
