import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

export const qnli: Task = glueTask({
  name: "qnli",
  summary: "QNLI: does a sentence hold the answer to a question?",
  data: glueData("qnli"),
  classes: ["entailment", "not_entailment"],
  texts: [["question"], ["sentence"]],
  label: ["label"],
  metrics: [accuracy],
  causal: {
    harness: { task: "qnli", version: "1.0" },
    prompt: (question, sentence) =>
      `${question}\n${sentence}\nQuestion: Does this response answer the question?\nAnswer:`,
    choices: ["yes", "no"],
  },
});
