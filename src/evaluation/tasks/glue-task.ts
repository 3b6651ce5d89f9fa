import type { Metric } from "../metric.js";
import type { Form, Row, Task, TaskData } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, textColumn } from "./columns.js";

export interface GlueTask {
  /** After `glue:`. */
  readonly name: string;
  readonly summary: string;
  readonly data: TaskData;
  /** GLUE's names of the classes, by their number. */
  readonly classes: readonly string[];
  /** The columns of each text, by the names that they go by. */
  readonly texts: readonly [readonly string[]] | readonly [readonly string[], readonly string[]];
  readonly label: readonly string[];
  /** What GLUE scores it by (arXiv:1804.07461, table 1). */
  readonly metrics: readonly Metric[];
  readonly causal: {
    readonly harness: { readonly task: string; readonly version: string };
    readonly prompt: (first: string, second: string) => string;
    /** The choice of each class. */
    readonly choices: readonly string[];
  };
}

/**
 * A task of GLUE whose answers are classes. A classification head is given the texts as they are; a causal model is asked as
 * lm-evaluation-harness asks.
 */
export function glueTask(task: GlueTask): Task {
  const { name, summary, data, classes, metrics, causal } = task;
  const label = (row: Row) => classColumn(row, classes, ...task.label);
  const classification: Form = {
    harness: null,
    metrics,
    classes,
    example(row) {
      const index = label(row);
      if (index === null) return null;
      return { question: { kind: "classes", texts: textsOf(row, task) }, gold: { kind: "index", index } };
    },
  };
  const causalForm = choiceForm({
    harness: causal.harness,
    metrics,
    ask(row) {
      const [first, second = ""] = textsOf(row, task);
      return { prompt: causal.prompt(first, second), choices: causal.choices, correct: label(row) };
    },
  });
  return { name: `glue:${name}`, summary, data, forms: { classification, causal: causalForm } };
}

/** Where the hub has a task of GLUE. */
export function glueData(config: string, split = "validation"): TaskData {
  return { dataset: "nyu-mll/glue", config, split, shotsSplit: "train", header: null };
}

function textsOf(
  row: Row,
  { texts: [first, second] }: GlueTask,
): readonly [string] | readonly [string, string] {
  const text = textColumn(row, ...first);
  return second === undefined ? [text] : [text, textColumn(row, ...second)];
}
