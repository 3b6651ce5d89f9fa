import { accuracy, normalizedAccuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, textColumn, textsColumn } from "./columns.js";
import { strip } from "./whitespace.js";

export const hellaSwag: Task = {
  name: "hellaswag",
  summary: "HellaSwag: which of four sentences goes on with a described scene?",
  data: {
    dataset: "Rowan/hellaswag@refs/convert/parquet",
    config: "default",
    split: "validation",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    causal: choiceForm({
      harness: { task: "hellaswag", version: "1.0" },
      metrics: [accuracy, normalizedAccuracy],
      ask(row) {
        const endings = textsColumn(row, "endings");
        const scene = `${textColumn(row, "ctx_a")} ${capitalized(textColumn(row, "ctx_b"))}`;
        return {
          prompt: cleaned(`${textColumn(row, "activity_label")}: ${scene}`),
          choices: endings.map(cleaned),
          correct: classColumn(row, [...endings.keys()].map(String), "label"),
        };
      },
    }),
  },
};

/** WikiHow's marks out: `[title]` ends a sentence, other brackets vanish, and pairs of spaces become one, once. */
function cleaned(text: string): string {
  return strip(text)
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}

/** Python's `str.capitalize`: all but the first character in lower case. */
function capitalized(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}
