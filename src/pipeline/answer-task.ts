import type { Tokenizer } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { Encoder, PreparedQuestion } from "../evaluation/asking/asking.js";
import { askingOf } from "../evaluation/asking/registry.js";
import type { Answer } from "../evaluation/question.js";
import type { Answered, Example } from "../evaluation/task.js";
import type { Model } from "../model/model.js";
import type { KeptAnswers } from "./kept-answers.js";

export interface AnswerOptions {
  readonly model: Model;
  readonly encoder: Encoder;
  readonly examples: readonly Example[];
  /** Their questions, as `prepareQuestions` makes them with this encoder. */
  readonly prepared: readonly PreparedQuestion[];
  /** Answers of an earlier process, and where new ones are kept; null to keep none. */
  readonly kept: KeptAnswers | null;
  /** In tokens. */
  readonly onProgress: (done: number, total: number, what: string) => void;
}

export interface AnsweredTask {
  /** In the order of the examples. */
  readonly answered: readonly Answered[];
  /** Examples cut to the model's context. */
  readonly truncated: number;
  /** Tokens that the model computed now: none for answers that were kept. */
  readonly tokens: number;
}

/**
 * Questions of so many tokens are asked at a time: blocks are read once for all of them, and when the process is stopped
 * they are what is lost.
 */
const tokensAtOnce = 2 ** 14;

/**
 * Puts a task's questions to a model, the short ones first, so that those computed together are of near lengths. A portion
 * of them is asked whole or not at all: what is computed together is the same in a run that was stopped.
 */
export async function answerTask({
  model,
  encoder,
  examples,
  prepared,
  kept,
  onProgress,
}: AnswerOptions): Promise<AnsweredTask> {
  const answers = new Map<number, Answer>(kept?.answers);
  const total = sumOf(prepared);
  let done = 0;
  let computed = 0;
  const tell = (tokens: number) =>
    onProgress(tokens, total, `${answers.size} of ${examples.length} examples`);
  const order = [...prepared.keys()].sort((a, b) => prepared[a].longest - prepared[b].longest || a - b);
  for (const some of portions(order, prepared)) {
    const questions = some.map((at) => prepared[at]);
    const tokens = sumOf(questions);
    if (some.every((at) => answers.has(at))) {
      done += tokens;
      continue;
    }
    tell(done);
    const asking = askingOf(examples[some[0]].question.kind);
    const found = await asking.answer(model, questions, encoder, (step, steps) => {
      if (step < steps) tell(done + Math.floor((tokens * step) / steps));
    });
    const entries = found.map((answer, i): [number, Answer] => [some[i], answer]);
    await kept?.append(entries);
    for (const [at, answer] of entries) answers.set(at, answer);
    done += tokens;
    computed += tokens;
  }
  tell(total);
  return {
    answered: examples.map(({ gold }, at) => ({ gold, answer: answers.get(at) as Answer })),
    truncated: prepared.filter(({ isCut }) => isCut).length,
    tokens: computed,
  };
}

export function encoderOf({ description }: Model, { encode, decode, special }: Tokenizer): Encoder {
  return { encode, decode, special, contextLength: description.contextLength };
}

/** The questions of examples as tokens. @throws LuthierError naming the example that a model cannot be asked. */
export function prepareQuestions(
  examples: readonly Example[],
  encoder: Encoder,
): readonly PreparedQuestion[] {
  return examples.map(({ question }, at) => preparedAt(question, at, encoder));
}

function preparedAt(question: Example["question"], at: number, encoder: Encoder): PreparedQuestion {
  try {
    return askingOf(question.kind).prepare(question, encoder);
  } catch (error) {
    if (!(error instanceof LuthierError)) throw error;
    throw new LuthierError(`example ${at + 1}: ${error.message}`, error.fix, { cause: error });
  }
}

function sumOf(prepared: readonly PreparedQuestion[]): number {
  return prepared.reduce((sum, { tokens }) => sum + tokens, 0);
}

/** Neighbours that have `tokensAtOnce` together, or one that has more. */
function* portions(
  order: readonly number[],
  prepared: readonly PreparedQuestion[],
): Generator<readonly number[]> {
  let some: number[] = [];
  let tokens = 0;
  for (const at of order) {
    if (some.length > 0 && tokens + prepared[at].tokens > tokensAtOnce) {
      yield some;
      [some, tokens] = [[], 0];
    }
    some.push(at);
    tokens += prepared[at].tokens;
  }
  if (some.length > 0) yield some;
}
