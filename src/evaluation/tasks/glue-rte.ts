import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

export const rte: Task = glueTask({
  name: "rte",
  summary: "RTE: does a sentence follow from a passage?",
  data: glueData("rte"),
  classes: ["entailment", "not_entailment"],
  texts: [["sentence1"], ["sentence2"]],
  label: ["label"],
  metrics: [accuracy],
  causal: {
    harness: { task: "rte", version: "1.0" },
    prompt: (passage, sentence) => `${passage}\nQuestion: ${sentence} True or False?\nAnswer:`,
    choices: ["True", "False"],
  },
});
