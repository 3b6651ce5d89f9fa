import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";
import { strip } from "./whitespace.js";

export const mnli = mnliTask(
  "mnli",
  "MNLI: does a sentence follow from another, contradict it, or neither? Genres of the training set",
  "validation_matched",
  "mnli",
);

export const mnliMismatched = mnliTask(
  "mnli-mismatched",
  "MNLI: does a sentence follow from another, contradict it, or neither? Genres beyond the training set",
  "validation_mismatched",
  "mnli_mismatch",
);

/** Columns as on the hub, or as in GLUE's own `MNLI/dev_matched.tsv`. */
function mnliTask(name: string, summary: string, split: string, harnessTask: string): Task {
  return glueTask({
    name,
    summary,
    data: glueData("mnli", split),
    classes: ["entailment", "neutral", "contradiction"],
    texts: [
      ["premise", "sentence1"],
      ["hypothesis", "sentence2"],
    ],
    label: ["label", "gold_label"],
    metrics: [accuracy],
    causal: {
      harness: { task: harnessTask, version: "1.0" },
      prompt: (premise, hypothesis) =>
        `${premise}\nQuestion: ${asSentence(hypothesis)} True, False or Neither?\nAnswer:`,
      choices: ["True", "Neither", "False"],
    },
  });
}

/** Stripped, and with a full stop at its end. */
function asSentence(hypothesis: string): string {
  const stripped = strip(hypothesis);
  return stripped.endsWith(".") ? stripped : `${stripped}.`;
}
