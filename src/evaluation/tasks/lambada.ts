import { continuationPerplexity, greedyAccuracy } from "../metrics/continuation.js";
import type { Task } from "../task.js";
import { textColumn } from "./columns.js";

/** OpenAI's version of the passages: the one that published numbers of causal models are of. */
export const lambada: Task = {
  name: "lambada",
  summary: "LAMBADA: the last word of a passage that only the whole passage tells",
  data: {
    dataset: "EleutherAI/lambada_openai@refs/convert/parquet",
    config: "default",
    split: "test",
    shotsSplit: null,
    header: null,
  },
  forms: {
    causal: {
      harness: { task: "lambada_openai", version: "1.0" },
      metrics: [greedyAccuracy, continuationPerplexity],
      example(row) {
        const text = textColumn(row, "text");
        const space = text.lastIndexOf(" ");
        const choices = [
          { context: text.slice(0, Math.max(space, 0)), continuation: ` ${text.slice(space + 1)}` },
        ];
        return { question: { kind: "choices", choices }, gold: { kind: "index", index: 0 } };
      },
    },
  },
};
