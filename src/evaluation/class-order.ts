import type { Answered, Form } from "./task.js";

/**
 * Answers of a classification head with their logits in the order of the task's classes, where the checkpoint's `id2label`
 * calls its classes by the same names; as they are where it has names of its own (`LABEL_0`).
 */
export function inOrderOfTask(
  answered: readonly Answered[],
  { classes }: Pick<Form, "classes">,
  config: Readonly<Record<string, unknown>>,
): readonly Answered[] {
  const labels = Object.entries((config.id2label ?? {}) as Record<string, unknown>);
  const byName = new Map(labels.map(([id, label]) => [String(label).toLowerCase(), Number(id)]));
  const order = classes?.flatMap((name) => byName.get(name) ?? []);
  if (order === undefined || order.length !== classes?.length) return answered;
  return answered.map(({ gold, answer }) => ({
    gold,
    answer:
      answer.kind === "classes" && isOrderOf(order, answer.logits.length)
        ? { ...answer, logits: order.map((id) => answer.logits[id]) }
        : answer,
  }));
}

function isOrderOf(order: readonly number[], count: number): boolean {
  return order.length === count && order.toSorted((a, b) => a - b).every((id, at) => id === at);
}
