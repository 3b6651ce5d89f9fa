import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

export const wnli: Task = glueTask({
  name: "wnli",
  summary: "WNLI: does a sentence with its pronoun filled in follow from the one before?",
  data: glueData("wnli"),
  classes: ["not_entailment", "entailment"],
  texts: [["sentence1"], ["sentence2"]],
  label: ["label"],
  metrics: [accuracy],
  causal: {
    harness: { task: "wnli", version: "2.0" },
    prompt: (passage, sentence) => `${passage}\nQuestion: ${sentence} True or False?\nAnswer:`,
    choices: ["False", "True"],
  },
});
