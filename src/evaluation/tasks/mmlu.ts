import { accuracy } from "../metrics/accuracy.js";
import type { Row, Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, hasColumn, textColumn, textsColumn, unfit } from "./columns.js";
import { fourChoicesHeader } from "./labelled-choices.js";
import { strip } from "./whitespace.js";

const letters = ["A", "B", "C", "D"];

/**
 * The letters are the choices, and the subject is named before all. Solved examples are of the row's own subject, in their
 * order. Columns as on the hub, or a column a choice as in Hendrycks's own `<subject>_test.csv`, where the subject is the file's.
 */
export const mmlu: Task = {
  name: "mmlu",
  summary: "MMLU: questions of 57 subjects with four choices",
  data: {
    dataset: "cais/mmlu",
    config: "all",
    split: "test",
    shotsSplit: "dev",
    shotsShare: subjectOf,
    header: fourChoicesHeader,
    fileNameColumn: "subject",
  },
  forms: {
    causal: choiceForm({
      harness: { task: "mmlu", version: "2" },
      metrics: [accuracy],
      description: (row) =>
        `The following are multiple choice questions (with answers) about ${subjectOf(row)}.\n\n`,
      ask(row) {
        const lines = fourChoices(row).map((choice, at) => `${letters[at]}. ${choice}\n`);
        return {
          prompt: `${strip(textColumn(row, "question"))}\n${lines.join("")}Answer:`,
          choices: letters,
          correct: classColumn(row, letters, "answer"),
        };
      },
    }),
  },
};

/** `high school us history`, also of a file's `high_school_us_history_test`. */
function subjectOf(row: Row): string {
  return textColumn(row, "subject")
    .replace(/_(?:dev|val|test)$/, "")
    .replaceAll("_", " ");
}

function fourChoices(row: Row): readonly string[] {
  if (!hasColumn(row, "choices") && hasColumn(row, "A")) return letters.map((name) => textColumn(row, name));
  const choices = textsColumn(row, "choices");
  if (choices.length !== letters.length) throw unfit("choices", choices, "four texts");
  return choices;
}
