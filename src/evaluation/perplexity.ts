import { LuthierError } from "../error.js";
import { causalHead } from "../model/architecture.js";
import type { Model } from "../model/model.js";
import { distances } from "./divergence.js";
import { sampleDeviation } from "./statistics/standard-error.js";

export interface Perplexity {
  /** `exp` of the mean negative log-likelihood a token. */
  readonly perplexity: number;
  /** Of the perplexity, from how the means of windows spread; null of a single window. */
  readonly standardError: number | null;
  /** Mean over predictions, in nats. */
  readonly negativeLogLikelihood: number;
  /** The same likelihood shared out over the words of the text, and over its bytes, in place of its tokens. */
  readonly wordPerplexity: number;
  readonly bytePerplexity: number;
  readonly predictions: number;
  /** Tokens of the whole text, the dropped remainder included. */
  readonly tokens: number;
  readonly windows: number;
  /** Tokens a window. */
  readonly context: number;
  /** Tokens from one window's start to the next: windows do not overlap. */
  readonly stride: number;
  /** Against the first of the models, on the same windows; null for that itself. */
  readonly comparison: PerplexityComparison | null;
}

/** How a model's predictions of a text differ from those of a reference. */
export interface PerplexityComparison {
  /** Of the perplexities, model by reference. */
  readonly ratio: number;
  /** Where the ratio lies with 95 % confidence, from how the windows' differences spread; null of a single window. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Mean Kullback–Leibler divergence from the reference's next-token distributions, in nats a token. */
  readonly divergence: number;
  /** Share of positions with the same most likely token. */
  readonly agreement: number;
}

/** A text as tokens, with what its perplexity is shared out over. */
export interface TokenizedText {
  readonly tokens: Int32Array;
  /** Words between blanks, and UTF-8 bytes. */
  readonly words: number;
  readonly bytes: number;
}

export interface PerplexityOptions {
  /** Tokens a window. */
  readonly context: number;
  /** Hidden states that are held at a time, of one model; 256 MiB by default. */
  readonly activationBytes?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Token perplexity by the convention of GPTQ and its successors, of several models side by side: the text is tokenized once
 * without special tokens and cut into non-overlapping windows of `context` tokens, the remainder dropped; within a window
 * every token but the first is predicted from those before it. All models after the first are compared with it.
 *
 * @throws LuthierError when the context exceeds a model's or is below 2, the text is shorter than one window,
 * a model predicts no tokens, or its numbers overflow.
 */
export async function perplexities(
  models: readonly Model[],
  text: TokenizedText,
  { context, activationBytes = 2 ** 28, onProgress = () => {} }: PerplexityOptions,
): Promise<readonly Perplexity[]> {
  const { tokens } = text;
  for (const { description } of models) {
    causalHead(description);
    expectContext(context, description.contextLength);
  }
  const windows = windowsOf(tokens, context);
  const measured = models.map(() => ({ losses: [] as number[], divergence: 0, agreement: 0 }));
  const together = Math.max(
    1,
    Math.floor(activationBytes / (4 * context * models[0].description.hiddenSize)),
  );
  for (let first = 0; first < windows.length; first += together) {
    const some = windows.slice(first, first + together);
    const reference = await models[0].beforeHead(some);
    for (const [at, model] of models.entries()) {
      const before = at === 0 ? reference : await model.beforeHead(some);
      for (const [i, scores] of (await model.scoreFrom(before, some)).entries())
        measured[at].losses.push(lossOf(scores, first + i));
      if (at > 0) {
        const [distance] = await distances(reference, [before.hidden], before.parts);
        measured[at].divergence += distance.divergence * some.length;
        measured[at].agreement += distance.agreement * some.length;
      }
      onProgress(first * models.length + some.length * (at + 1), windows.length * models.length);
    }
  }
  return measured.map(({ losses, divergence, agreement }, at) => ({
    ...perplexityOf(losses, text, context),
    comparison:
      at === 0
        ? null
        : {
            ...ratioOf(losses, measured[0].losses, context),
            divergence: Math.max(0, divergence / windows.length), // rounding may leave less than nothing
            agreement: agreement / windows.length,
          },
  }));
}

/** @throws LuthierError when a model cannot be asked about windows of so many tokens. */
function expectContext(context: number, longest: number): void {
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
}

function windowsOf(tokens: Int32Array, context: number): readonly Int32Array[] {
  const count = Math.floor(tokens.length / context);
  if (count === 0) {
    throw new LuthierError(
      `the text has ${tokens.length} tokens, fewer than one window of ${context}`,
      "give a longer text or a smaller context",
      { usage: true },
    );
  }
  return Array.from({ length: count }, (_, i) => tokens.subarray(i * context, (i + 1) * context));
}

/** Negative log-likelihood of a window, in nats. @throws LuthierError when it is none. */
function lossOf(logProbabilities: Float32Array, window: number): number {
  const loss = logProbabilities.reduce((sum, value) => sum - value, 0);
  if (Number.isFinite(loss)) return loss;
  const at = logProbabilities.findIndex((value) => !Number.isFinite(value));
  throw new LuthierError(
    `the model gives token ${at + 1} of window ${window} a log-probability of ${logProbabilities[at]}`,
    "an activation overflowed on the way: keep more of the linears float, or check the checkpoint's weights",
  );
}

/** @param losses one a window. */
function perplexityOf(losses: readonly number[], { tokens, words, bytes }: TokenizedText, context: number) {
  const means = Float64Array.from(losses, (loss) => loss / (context - 1));
  const negativeLogLikelihood = means.reduce((sum, each) => sum + each, 0) / means.length;
  const perplexity = Math.exp(negativeLogLikelihood);
  const textLoss = negativeLogLikelihood * tokens.length;
  return {
    perplexity,
    standardError: means.length < 2 ? null : perplexity * errorOfMean(means),
    negativeLogLikelihood,
    wordPerplexity: Math.exp(textLoss / words),
    bytePerplexity: Math.exp(textLoss / bytes),
    predictions: losses.length * (context - 1),
    tokens: tokens.length,
    windows: losses.length,
    context,
    stride: context,
  };
}

/** @param losses of a model and of the reference, one a window of `context` tokens. */
function ratioOf(losses: readonly number[], reference: readonly number[], context: number) {
  const differences = Float64Array.from(losses, (loss, at) => (loss - reference[at]) / (context - 1));
  const mean = differences.reduce((sum, each) => sum + each, 0) / differences.length;
  const reach = 1.96 * errorOfMean(differences); // 95 % of a normal distribution
  return {
    ratio: Math.exp(mean),
    interval: differences.length < 2 ? null : ([Math.exp(mean - reach), Math.exp(mean + reach)] as const),
  };
}

function errorOfMean(values: Float64Array): number {
  return sampleDeviation(values) / Math.sqrt(values.length);
}
