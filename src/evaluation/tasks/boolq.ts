import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, textColumn } from "./columns.js";

/** Columns as in SuperGLUE on the hub, or as in BoolQ's own JSON lines, where the label is `answer`. */
export const boolQ: Task = {
  name: "boolq",
  summary: "BoolQ: yes or no, to a question about a passage",
  data: {
    dataset: "aps/super_glue@refs/convert/parquet",
    config: "boolq",
    split: "validation",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    causal: choiceForm({
      harness: { task: "boolq", version: "2.0" },
      metrics: [accuracy],
      ask: (row) => ({
        prompt: `${textColumn(row, "passage")}\nQuestion: ${textColumn(row, "question")}?\nAnswer:`,
        choices: ["no", "yes"],
        correct: classColumn(row, ["false", "true"], "label", "answer"),
      }),
    }),
  },
};
