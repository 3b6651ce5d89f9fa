import type { Tokenizer } from "../../checkpoint/tokenizer.js";
import type { Model } from "../../model/model.js";
import type { AnswerOf, Question, QuestionOf } from "../question.js";

/** How questions of one kind are put to a model. */
export interface Asking<Kind extends Question["kind"], Prepared extends PreparedQuestion> {
  /** The question as tokens. @throws LuthierError for one that the model cannot be asked. */
  prepare(question: QuestionOf<Kind>, encoder: Encoder): Prepared;
  /** @returns in the order of the questions. */
  answer(
    model: Model,
    questions: readonly Prepared[],
    encoder: Encoder,
    onProgress?: (done: number, total: number) => void,
  ): Promise<readonly AnswerOf<Kind>[]>;
}

export interface PreparedQuestion {
  /** Tokens that the model computes for it. */
  readonly tokens: number;
  /** Of its longest window: questions of near lengths are computed together. */
  readonly longest: number;
  /** Whether the context was too short for it, so that part of it was left out. */
  readonly isCut: boolean;
}

/** Texts to tokens, for one model. */
export interface Encoder extends Pick<Tokenizer, "encode" | "decode" | "special"> {
  /** Tokens that the model sees at most. */
  readonly contextLength: number;
}
