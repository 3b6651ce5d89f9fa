import type { Row } from "../calibration/rows.js";
import type { ModelKind } from "../model/architecture.js";
import type { Metric } from "./metric.js";
import type { Answer, Question } from "./question.js";

export type { Row };

/** A benchmark: its data, what it asks of each kind of model, and how answers are scored. One file a task. */
export interface Task {
  /** `glue:sst2`, `arc-easy`: what recipes and the command line call it. */
  readonly name: string;
  /** One line for `luthier tasks`. */
  readonly summary: string;
  readonly data: TaskData;
  /** How each kind of model is asked; a kind that is missing cannot do the task. */
  readonly forms: Readonly<Partial<Record<ModelKind, Form>>>;
}

/** Where a task's examples lie: on the hub, or in files that a user gives in their place. */
export interface TaskData {
  /** Hub id `org/name`. */
  readonly dataset: string;
  readonly config: string | null;
  readonly split: string;
  /** Whose first rows are shown as solved examples; null for a task without. */
  readonly shotsSplit: string | null;
  /** What a row and its solved examples have in common: MMLU's subject; nothing unless given. */
  readonly shotsShare?: (row: Row) => string;
  /** How many solved examples the task is defined with: MMLU-Pro's five; none unless given. */
  readonly usualShots?: number;
  /** Column names of local tables without a header line, in their order; null where such tables do not exist. */
  readonly header: readonly string[] | null;
  /** The column that local files have in their names, without the ending, where each file is a part: MMLU's subject. */
  readonly fileNameColumn?: string;
  /** The rows of a plain text file, where one may stand for the data set: WikiText's articles. */
  readonly rowsOfText?: (text: string) => readonly Row[];
}

/** A task as one kind of model does it. */
export interface Form {
  /** The task of lm-evaluation-harness whose prompts and metrics these are, `sst2`, and its version; null if none is. */
  readonly harness: { readonly task: string; readonly version: string } | null;
  /** Named by what users know: `acc`, `acc_norm`, `f1`, `mcc`, `pearson`, `spearmanr`, `exact`, `word_perplexity`. */
  readonly metrics: readonly Metric[];
  /**
   * What the data set calls its classes, lower case, in the order of gold's index. A checkpoint whose `id2label` has the same
   * names may have them in another order.
   */
  readonly classes?: readonly string[];
  /**
   * The example of a row; null for a row that is none (no gold label, as in hidden tests).
   * @param shots solved examples before it: rows of `shotsSplit`, in order.
   * @throws LuthierError for a row that lacks a column, by its name.
   */
  example(row: Row, shots: readonly Row[]): Example | null;
}

/** One example: what is asked, and what metrics need to know to score the answer. */
export interface Example {
  readonly question: Question;
  readonly gold: Gold;
}

/** What is right. */
export type Gold =
  /** The index of the class or choice; choices' lengths in characters, for `acc_norm`. */
  | { readonly kind: "index"; readonly index: number; readonly lengths?: readonly number[] }
  /** A number, of a regression. */
  | { readonly kind: "number"; readonly number: number }
  /** Texts that are right; none when there is no answer. */
  | { readonly kind: "texts"; readonly texts: readonly string[] }
  /** The text itself is what is scored: its words and bytes. */
  | { readonly kind: "text"; readonly words: number; readonly bytes: number };

/** An example with what a model answered. */
export interface Answered {
  readonly gold: Gold;
  readonly answer: Answer;
}
