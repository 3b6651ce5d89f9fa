import { LuthierError } from "../error.js";
import type { TargetChoice } from "../recipe/schema.js";
import type { Target } from "../targets/target.js";

/**
 * A target with some parameters set and the others at their defaults, as a recipe's `targets` would have it.
 * @throws LuthierError (usage) for a parameter that the target does not have, or a value that it does not take.
 */
export function targetChoice(target: Target, settings: Readonly<Record<string, unknown>>): TargetChoice {
  const parsed = target.parameters.safeParse(settings);
  if (parsed.success) return { ...parsed.data, target: target.name } as TargetChoice;
  const [issue] = parsed.error.issues;
  const known = Object.keys(target.parameters.shape).join(", ");
  throw new LuthierError(
    `parameters of ${target.name}: ${[...issue.path, issue.message].join(": ")}`,
    known ? `it has ${known}` : "it has none",
    { usage: true },
  );
}
