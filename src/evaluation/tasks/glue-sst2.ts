import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

export const sst2: Task = glueTask({
  name: "sst2",
  summary: "SST-2: does a sentence of a film review praise or blame?",
  data: glueData("sst2"),
  classes: ["negative", "positive"],
  texts: [["sentence"]],
  label: ["label"],
  metrics: [accuracy],
  causal: {
    harness: { task: "sst2", version: "1.0" },
    prompt: (sentence) => `${sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:`,
    choices: ["negative", "positive"],
  },
});
