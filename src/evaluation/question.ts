/*
 * What a task asks of a model about one example, and what the model answers. Answers are plain data: they are kept line by
 * line in a run, and every metric, interval and comparison is computed from them alone.
 */

export type Question = ChoiceQuestion | TextQuestion | ClassQuestion | SpanQuestion | GenerationQuestion;

/** How likely is each of these continuations, each after its context? */
export interface ChoiceQuestion {
  readonly kind: "choices";
  readonly choices: readonly { readonly context: string; readonly continuation: string }[];
}

/** How likely is this text, from its first token on? */
export interface TextQuestion {
  readonly kind: "text";
  readonly text: string;
}

/** What does the classification head say of this text, or of these two together? */
export interface ClassQuestion {
  readonly kind: "classes";
  readonly texts: readonly [string] | readonly [string, string];
}

/** Where in the passage does the question-answering head see the answer? */
export interface SpanQuestion {
  readonly kind: "span";
  readonly question: string;
  readonly passage: string;
}

/** What follows this text, greedily, up to the first of these stops? */
export interface GenerationQuestion {
  readonly kind: "generation";
  readonly context: string;
  readonly stops: readonly string[];
  readonly mostTokens: number;
  /** A continuation whose likelihood is asked for beside; null for none. */
  readonly alternative: string | null;
}

export type Answer = ChoiceAnswer | TextAnswer | ClassAnswer | SpanAnswer | GenerationAnswer;

export interface ChoiceAnswer {
  readonly kind: "choices";
  /** Natural-log likelihood of each continuation. */
  readonly logLikelihoods: readonly number[];
  /** Whether each continuation is what greedy decoding would give. */
  readonly greedy: readonly boolean[];
}

export interface TextAnswer {
  readonly kind: "text";
  /** Natural-log likelihood of the whole text. */
  readonly logLikelihood: number;
  readonly tokens: number;
}

export interface ClassAnswer {
  readonly kind: "classes";
  /** One a class; a single one of a regression. */
  readonly logits: readonly number[];
}

export interface SpanAnswer {
  readonly kind: "span";
  /** The best span's text. */
  readonly text: string;
  /** Start and end logit of that span together. */
  readonly score: number;
  /** Start and end logit of the first token together: how much speaks for no answer. */
  readonly noAnswerScore: number;
}

export interface GenerationAnswer {
  readonly kind: "generation";
  readonly text: string;
  /** Of the alternative; null without one. */
  readonly alternativeLogLikelihood: number | null;
}

/** The question and answer types of one kind. */
export type QuestionOf<Kind extends Question["kind"]> = Extract<Question, { kind: Kind }>;
export type AnswerOf<Kind extends Question["kind"]> = Extract<Answer, { kind: Kind }>;
