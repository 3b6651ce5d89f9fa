import type { Metric } from "../metric.js";
import type { Form, Row } from "../task.js";
import { answerDelimiter, solvedExamples } from "./few-shot.js";

/** What a row asks: one prompt, and the texts that may follow it. */
export interface Choices {
  /** Up to the space before the answer. */
  readonly prompt: string;
  readonly choices: readonly string[];
  /** Index of the right choice; null for a row without gold label. */
  readonly correct: number | null;
}

export interface ChoiceForm {
  readonly harness: { readonly task: string; readonly version: string };
  readonly metrics: readonly Metric[];
  /** What stands before all examples; nothing unless given. */
  readonly description?: (row: Row) => string;
  readonly ask: (row: Row) => Choices;
}

/**
 * The causal form of tasks whose choices follow one prompt: `multiple_choice` of lm-evaluation-harness (lm_eval/api/task.py,
 * `fewshot_context` and `construct_requests`). The context is description, solved examples and prompt; the continuation a
 * space and the choice, whose length in Unicode code points `acc_norm` divides by.
 */
export function choiceForm({ harness, metrics, description = () => "", ask }: ChoiceForm): Form {
  return {
    harness,
    metrics,
    example(row, shots) {
      const { prompt, choices, correct } = ask(row);
      if (correct === null) return null;
      const context = description(row) + solvedExamples(shots, (shot) => solved(ask(shot))) + prompt;
      return {
        question: {
          kind: "choices",
          choices: choices.map((choice) => ({ context, continuation: answerDelimiter + choice })),
        },
        gold: { kind: "index", index: correct, lengths: choices.map((choice) => [...choice].length) },
      };
    },
  };
}

function solved({ prompt, choices, correct }: Choices): string | null {
  return correct === null ? null : prompt + answerDelimiter + choices[correct];
}
