import { matthewsCorrelation } from "../metrics/classification.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

export const cola: Task = glueTask({
  name: "cola",
  summary: "CoLA: is a sentence acceptable English?",
  data: { ...glueData("cola"), header: ["source", "label", "mark", "sentence"] },
  classes: ["unacceptable", "acceptable"],
  texts: [["sentence"]],
  label: ["label"],
  metrics: [matthewsCorrelation],
  causal: {
    harness: { task: "cola", version: "1.0" },
    prompt: (sentence) => `${sentence}\nQuestion: Does this sentence make sense?\nAnswer:`,
    choices: ["no", "yes"],
  },
});
