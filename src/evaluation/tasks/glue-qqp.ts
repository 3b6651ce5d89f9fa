import { accuracy } from "../metrics/accuracy.js";
import { binaryF1 } from "../metrics/classification.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

/** Columns as on the hub, or as in GLUE's own `QQP/dev.tsv`. */
export const qqp: Task = glueTask({
  name: "qqp",
  summary: "QQP: do two questions ask the same?",
  data: glueData("qqp"),
  classes: ["not_duplicate", "duplicate"],
  texts: [["question1"], ["question2"]],
  label: ["label", "is_duplicate"],
  metrics: [accuracy, binaryF1],
  causal: {
    harness: { task: "qqp", version: "2.0" },
    prompt: (first, second) =>
      `Question 1: ${first}\nQuestion 2: ${second}\nQuestion: Do both questions ask the same thing?\nAnswer:`,
    choices: ["no", "yes"],
  },
});
