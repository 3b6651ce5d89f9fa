import { bestSquadMetrics, squadMetrics } from "../metrics/squad.js";
import type { Row, Task } from "../task.js";
import { columnOf, isTexts, textColumn, unfit } from "./columns.js";
import { answerDelimiter, solvedExamples } from "./few-shot.js";

/** What the harness's prompts call a question without answer, with the space before it. */
const unanswerable = " unanswerable";

export const squadV2: Task = {
  name: "squad-v2",
  summary: "SQuAD 2.0: where does a passage answer a question, if it does?",
  data: {
    dataset: "rajpurkar/squad_v2",
    config: "squad_v2",
    split: "validation",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    answering: {
      harness: null,
      metrics: squadMetrics,
      example: (row) => ({
        question: {
          kind: "span",
          question: textColumn(row, "question"),
          passage: textColumn(row, "context"),
        },
        gold: { kind: "texts", texts: answersOf(row) },
      }),
    },
    causal: {
      harness: { task: "squadv2", version: "3" },
      metrics: [...squadMetrics, ...bestSquadMetrics],
      example: (row, shots) => ({
        question: {
          kind: "generation",
          context: solvedExamples(shots, solved) + promptOf(row),
          stops: ["\n"],
          mostTokens: 256, // the harness's default
          alternative: unanswerable,
        },
        gold: { kind: "texts", texts: answersOf(row) },
      }),
    },
  },
};

function promptOf(row: Row): string {
  const [title, passage] = [textColumn(row, "title"), textColumn(row, "context")];
  return `Title: ${title}\n\nBackground: ${passage}\n\nQuestion: ${textColumn(row, "question")}\n\nAnswer:`;
}

/** The harness's answers begin with a space of their own, so solved examples have two after `Answer:`. */
function solved(row: Row): string {
  const [first] = answersOf(row);
  return promptOf(row) + answerDelimiter + (first === undefined ? unanswerable : ` ${first}`);
}

/** The texts of `answers`; none when the passage does not answer. */
function answersOf(row: Row): readonly string[] {
  const { value } = columnOf(row, ["answers"]);
  const { text } = (value ?? {}) as { readonly text?: unknown };
  if (isTexts(text)) return text;
  throw unfit("answers", value, "an object with the list `text`");
}
