import { LuthierError } from "../../error.js";
import type { ContinuationInput } from "../../model/continuations.js";
import type { Asking, Encoder, PreparedQuestion } from "./asking.js";

interface PreparedChoices extends PreparedQuestion {
  readonly inputs: readonly ContinuationInput[];
}

/** Choices by how likely each continuation is after its context. */
export const choices: Asking<"choices", PreparedChoices> = {
  prepare(question, encoder) {
    const inputs = question.choices.map(({ context, continuation }) =>
      continuationInput(context, continuation, encoder),
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
 * belong to the continuation, and both are tokenized together, so that a token may not reach over their border. Of a text
 * that is longer than the model's context the end is kept.
 *
 * @throws LuthierError when nothing is left to be scored, or there is nothing before it.
 */
export function continuationInput(
  context: string,
  continuation: string,
  { encode, special, contextLength }: Encoder,
): { readonly input: ContinuationInput; readonly isCut: boolean } {
  const trimmed = context.trimEnd();
  const before = trimmed === "" ? [] : [...encode(trimmed)];
  const whole = [...encode(context + continuation)];
  const scored = whole.length - before.length;
  if (scored <= 0) {
    throw new LuthierError(
      `the continuation ${JSON.stringify(continuation)} has no token of its own`,
      "check the row that it comes from, and that tokenizer.json belongs to this checkpoint",
    );
  }
  if (before.length === 0) {
    if (special.prefix === null) {
      throw new LuthierError(
        "the tokenizer has neither a token that begins texts nor one that ends them, and nothing stands before this one",
        "name bos_token or eos_token in tokenizer_config.json",
      );
    }
    whole.unshift(special.prefix);
  }
  const longest = contextLength + 1; // the last token is not computed
  const tokens = Int32Array.from(whole.slice(-longest));
  const input = { tokens, scored: Math.min(scored, tokens.length - 1) };
  return { input, isCut: tokens.length < whole.length };
}
