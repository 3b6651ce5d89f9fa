import { pearson, spearman } from "../metrics/correlation.js";
import type { Task } from "../task.js";
import { numberColumn, textColumn } from "./columns.js";
import { glueData } from "./glue-task.js";

/**
 * A regression, so it is asked of classification heads with a single output; lm-evaluation-harness has no form of it for causal
 * models. Columns as on the hub, or as in the benchmark's own `sts-*.csv`, a table of tabs without header.
 */
export const stsb: Task = {
  name: "glue:stsb",
  summary: "STS-B: how alike in meaning are two sentences, from 0 to 5?",
  data: {
    ...glueData("stsb"),
    header: ["genre", "filename", "year", "id", "score", "sentence1", "sentence2"],
  },
  forms: {
    classification: {
      harness: null,
      metrics: [pearson, spearman],
      example(row) {
        const number = numberColumn(row, [0, 5], "label", "score");
        if (number === null) return null;
        const texts = [textColumn(row, "sentence1"), textColumn(row, "sentence2")] as const;
        return { question: { kind: "classes", texts }, gold: { kind: "number", number } };
      },
    },
  },
};
