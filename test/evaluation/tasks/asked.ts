import type { Example, Row } from "../../../src/evaluation/task.js";
import { findTasks } from "../../../src/evaluation/tasks/registry.js";
import type { ModelKind } from "../../../src/model/architecture.js";

/** The example that a task makes of a row. @throws Error when it makes none. */
export function asked(name: string, kind: ModelKind, row: Row, shots: readonly Row[] = []): Example {
  const example = exampleOf(name, kind, row, shots);
  if (example === null) throw new Error(`${name} makes no example of the row`);
  return example;
}

/** The same, or null for a row that is none. */
export function exampleOf(
  name: string,
  kind: ModelKind,
  row: Row,
  shots: readonly Row[] = [],
): Example | null {
  const [task] = findTasks(name);
  const form = task.forms[kind];
  if (form === undefined) throw new Error(`${name} asks no ${kind} model`);
  return form.example(row, shots);
}
