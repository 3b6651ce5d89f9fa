import type { Answer, AnswerOf } from "./question.js";
import type { Answered, Gold } from "./task.js";

/**
 * Gold and answer of an example as a metric needs them.
 *
 * @throws TypeError for other kinds: a task then names a metric that its questions have no answers for.
 */
export function expectKinds<G extends Gold["kind"], A extends Answer["kind"]>(
  { gold, answer }: Answered,
  metric: string,
  golds: G,
  ...answers: readonly A[]
): { readonly gold: Extract<Gold, { kind: G }>; readonly answer: AnswerOf<A> } {
  if (gold.kind !== golds || !answers.some((kind) => kind === answer.kind)) {
    throw new TypeError(
      `${metric} scores ${answers.join(" or ")} against ${golds}, not ${answer.kind} against ${gold.kind}`,
    );
  }
  return { gold: gold as Extract<Gold, { kind: G }>, answer: answer as AnswerOf<A> };
}
