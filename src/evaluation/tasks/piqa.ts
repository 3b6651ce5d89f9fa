import { accuracy, normalizedAccuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, textColumn } from "./columns.js";

export const piqa: Task = {
  name: "piqa",
  summary: "PIQA: which of two ways reaches a practical goal?",
  data: {
    dataset: "ybisk/piqa@refs/convert/parquet",
    config: "plain_text",
    split: "validation",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    causal: choiceForm({
      harness: { task: "piqa", version: "1.0" },
      metrics: [accuracy, normalizedAccuracy],
      ask: (row) => ({
        prompt: `Question: ${textColumn(row, "goal")}\nAnswer:`,
        choices: [textColumn(row, "sol1"), textColumn(row, "sol2")],
        correct: classColumn(row, ["sol1", "sol2"], "label"),
      }),
    }),
  },
};
