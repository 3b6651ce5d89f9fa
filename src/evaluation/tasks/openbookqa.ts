import { accuracy, normalizedAccuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { labelledChoices } from "./labelled-choices.js";

/** The prompt is the question's beginning alone: the choices complete it. */
export const openBookQa: Task = {
  name: "openbookqa",
  summary: "OpenBookQA: elementary science, asked without the book",
  data: {
    dataset: "allenai/openbookqa",
    config: "main",
    split: "test",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    causal: choiceForm({
      harness: { task: "openbookqa", version: "1.0" },
      metrics: [accuracy, normalizedAccuracy],
      ask: (row) => labelledChoices(row, "question_stem"),
    }),
  },
};
