import type { Row } from "../task.js";
import type { Choices } from "./choice-form.js";
import { columnOf, hasColumn, isTexts, textColumn, unfit } from "./columns.js";

/** Columns of comma-separated tables of four choices without header, as MMLU's are. */
export const fourChoicesHeader = ["question", "A", "B", "C", "D", "answer"];

/**
 * A question whose choices carry labels, and the right one's label, in one of three shapes: the hub's `choices` of `text` and
 * `label`, the publisher's JSON lines (`question` of `stem` and `choices`), or a table with a column a choice, A to D. A row of
 * such a table that lacks its right choice, as some made from questions of three or five choices do, is no example.
 *
 * @throws LuthierError when the row has none of these shapes, or its answer is none of the labels.
 */
export function labelledChoices(row: Row, questionColumn: string): Choices {
  if (hasColumn(row, "A")) return choicesOfTable(row);
  const published = hasColumn(row, "choices") ? null : publishedQuestion(row);
  const prompt = published?.stem ?? textColumn(row, questionColumn);
  const { text, label } = published ?? hubChoices(row);
  const { name, value } = columnOf(row, ["answerKey", "answer"]);
  const key = value === null ? "" : String(value).trim();
  if (key === "") return { prompt, choices: text, correct: null };
  const correct = label.indexOf(key);
  if (correct < 0) throw unfit(name, value, `one of the labels ${label.join(", ")}`);
  return { prompt, choices: text, correct };
}

interface LabelledTexts {
  readonly text: readonly string[];
  readonly label: readonly string[];
}

function hubChoices(row: Row): LabelledTexts {
  const { value } = columnOf(row, ["choices"]);
  const { text, label } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (isTexts(text) && isTexts(label) && text.length === label.length && text.length > 0) {
    return { text, label };
  }
  throw unfit("choices", value, "as many texts (`text`) as labels (`label`)");
}

/** AI2's own lines: `{"question": {"stem": …, "choices": [{"text": …, "label": …}]}, "answerKey": …}`; null for others. */
function publishedQuestion(row: Row): (LabelledTexts & { readonly stem: string }) | null {
  const question = row.question;
  if (typeof question !== "object" || question === null) return null;
  const { stem, choices } = question as Readonly<Record<string, unknown>>;
  const list: readonly Partial<Readonly<Record<string, unknown>>>[] = Array.isArray(choices) ? choices : [];
  const text = list.map((choice) => choice?.text);
  const label = list.map((choice) => choice?.label);
  if (typeof stem === "string" && isTexts(text) && isTexts(label) && text.length > 0) {
    return { stem, text, label };
  }
  throw unfit("question", question, "a `stem` with `choices` of `text` and `label`");
}

function choicesOfTable(row: Row): Choices {
  const prompt = textColumn(row, "question");
  const choices = ["A", "B", "C", "D"].map((name) => textColumn(row, name));
  while (choices.at(-1) === "") choices.pop();
  const { name, value } = columnOf(row, ["answer", "answerKey"]);
  const key = String(value).trim();
  if (!/^[A-E1-5]$/.test(key)) throw unfit(name, value, "the letter or number of a choice");
  const index = "ABCDE".includes(key) ? "ABCDE".indexOf(key) : Number(key) - 1;
  return { prompt, choices, correct: index < choices.length ? index : null };
}
