import { LuthierError } from "../error.js";
import type { Model } from "../model/model.js";

export interface Perplexity {
  /** `exp` of the mean negative log-likelihood. */
  readonly perplexity: number;
  /** Mean over predictions, in nats. */
  readonly negativeLogLikelihood: number;
  readonly predictions: number;
  /** Tokens of the whole text, the dropped remainder included. */
  readonly tokens: number;
  readonly windows: number;
  /** Tokens a window. */
  readonly context: number;
  /** Tokens from one window's start to the next: windows do not overlap. */
  readonly stride: number;
}

/**
 * Token perplexity by the convention of GPTQ and its successors: the text is tokenized once without special tokens and
 * cut into non-overlapping windows of `context` tokens, the remainder dropped; within a window every token but the
 * first is predicted from those before it.
 *
 * @throws LuthierError when the context exceeds the model's or is below 2, the text is shorter than one window,
 * or the model's numbers overflow.
 */
export async function perplexity(
  model: Model,
  tokens: Int32Array,
  options: { readonly context: number; readonly onProgress?: (done: number, total: number) => void },
): Promise<Perplexity> {
  const { context } = options;
  const longest = model.description.contextLength;
  if (context > longest) {
    throw new LuthierError(
      `a context of ${context} tokens exceeds the model's ${longest}`,
      `set the context to ${longest} or less`,
      { usage: true },
    );
  }
  if (!Number.isInteger(context) || context < 2) {
    throw new LuthierError(
      `a context of ${context} tokens predicts nothing`,
      "set the context to a whole number of at least 2",
      { usage: true },
    );
  }
  const windows = Math.floor(tokens.length / context);
  if (windows === 0) {
    throw new LuthierError(
      `the text has ${tokens.length} tokens, fewer than one window of ${context}`,
      "give a longer text or a smaller context",
      { usage: true },
    );
  }
  const cut = Array.from({ length: windows }, (_, i) => tokens.subarray(i * context, (i + 1) * context));
  const scores = await model.score(cut, options.onProgress);
  let sum = 0;
  let predictions = 0;
  for (const [at, window] of scores.entries()) {
    for (const logProbability of window) sum -= logProbability;
    predictions += window.length;
    if (!Number.isFinite(sum)) throw notFinite(at, window);
  }
  const negativeLogLikelihood = sum / predictions;
  return {
    perplexity: Math.exp(negativeLogLikelihood),
    negativeLogLikelihood,
    predictions,
    tokens: tokens.length,
    windows,
    context,
    stride: context,
  };
}

function notFinite(window: number, scores: Float32Array): LuthierError {
  const at = scores.findIndex((score) => !Number.isFinite(score));
  return new LuthierError(
    `the model gives token ${at + 1} of window ${window} a log-probability of ${scores[at]}`,
    "an activation overflowed on the way: keep more of the linears float, or check the checkpoint's weights",
  );
}
