import { LuthierError } from "../error.js";
import type { Form, Task } from "../evaluation/task.js";
import type { ModelDescription } from "../model/architecture.js";
import { heads } from "../model/kind.js";

/** How a task is put to such a model. @throws LuthierError (usage) when it is none for it. */
export function formOf({ name, forms }: Task, description: ModelDescription, model: string): Form {
  const { kind } = description;
  const form = forms[kind];
  if (form !== undefined) {
    if (kind === "classification") expectClasses(name, form, logitsOf(description), model);
    return form;
  }
  const known = Object.keys(forms).map((each) => heads[each as keyof Task["forms"]]);
  throw new LuthierError(
    `${name} is no task for ${model}, a model for ${heads[kind]}`,
    `score a model for ${known.join(" or ")}, or choose another task (\`luthier tasks\`)`,
    { usage: true },
  );
}

/** A head of another task would score as if it guessed. */
function expectClasses(task: string, { classes }: Form, found: number, model: string): void {
  const wanted = classes?.length ?? 1;
  if (found === wanted) return;
  throw new LuthierError(
    `${task} has ${classes ? `${wanted} classes` : "numbers for answers, one logit each"}, and the head of ${model} gives ${found} logits`,
    "score a checkpoint that was trained for this task, or the task that it was trained for",
    { usage: true },
  );
}

/** How many the last layer of a head gives; 0 of a causal model. */
export function logitsOf({ readout }: ModelDescription): number {
  return readout?.layers.at(-1)?.rows ?? 0;
}
