import { accuracy, normalizedAccuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { fourChoicesHeader, labelledChoices } from "./labelled-choices.js";

export const arcEasy = arcTask(
  "arc-easy",
  "ARC, easy set: questions of school science",
  "ARC-Easy",
  "arc_easy",
);

export const arcChallenge = arcTask(
  "arc-challenge",
  "ARC, challenge set: questions of school science that retrieval does not answer",
  "ARC-Challenge",
  "arc_challenge",
);

function arcTask(name: string, summary: string, config: string, harnessTask: string): Task {
  return {
    name,
    summary,
    data: {
      dataset: "allenai/ai2_arc",
      config,
      split: "test",
      shotsSplit: "train",
      header: fourChoicesHeader,
    },
    forms: {
      causal: choiceForm({
        harness: { task: harnessTask, version: "1.0" },
        metrics: [accuracy, normalizedAccuracy],
        ask(row) {
          const asked = labelledChoices(row, "question");
          return { ...asked, prompt: `Question: ${asked.prompt}\nAnswer:` };
        },
      }),
    },
  };
}
