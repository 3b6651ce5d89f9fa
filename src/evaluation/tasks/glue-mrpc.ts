import { accuracy } from "../metrics/accuracy.js";
import { binaryF1 } from "../metrics/classification.js";
import type { Task } from "../task.js";
import { glueData, glueTask } from "./glue-task.js";

/** Columns as on the hub, or as in Microsoft's own `msr_paraphrase_*.txt`. */
export const mrpc: Task = glueTask({
  name: "mrpc",
  summary: "MRPC: do two sentences of the news say the same?",
  data: glueData("mrpc"),
  classes: ["not_equivalent", "equivalent"],
  texts: [
    ["sentence1", "#1 String"],
    ["sentence2", "#2 String"],
  ],
  label: ["label", "Quality"],
  metrics: [accuracy, binaryF1],
  causal: {
    harness: { task: "mrpc", version: "1.0" },
    prompt: (first, second) =>
      `Sentence 1: ${first}\nSentence 2: ${second}\nQuestion: Do both sentences mean the same thing?\nAnswer:`,
    choices: ["no", "yes"],
  },
});
