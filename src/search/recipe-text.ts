import path from "node:path";
import { stringify } from "yaml";
import type { CalibrationChoice, TargetChoice } from "../recipe/schema.js";
import type { GroupedRule } from "./grouped-rules.js";

/** What a recipe's text says besides its rules. */
export interface RecipeHead {
  /** Lines of the comment at its head. */
  readonly header: readonly string[];
  readonly seed: number;
  /** Null where no method needs it. Its text is an absolute path. */
  readonly calibration: CalibrationChoice | null;
  readonly target: TargetChoice | null;
  /** The linear that stays float. */
  readonly head: string;
  /** Where the recipe will lie. */
  readonly folder: string;
}

/** A recipe that a person can read: each rule after a comment on what it costs. */
export function recipeText(
  { header, seed, calibration, target, head, folder }: RecipeHead,
  rules: readonly (GroupedRule & { readonly comment: string })[],
): string {
  const relative = calibration?.text && path.relative(folder, calibration.text).split(path.sep).join("/");
  const text = calibration && { ...calibration, ...(relative && { text: relative }) };
  return [
    ...header.map((line) => `# ${line}`),
    "version: 1",
    `seed: ${seed}`,
    ...(text ? [`calibration: ${inline(text)}`] : []),
    "rules:",
    `  - match: ${inline(head)}`,
    "    keep: float",
    ...rules.flatMap(({ match, candidate, comment }) => [
      `  # ${comment}`,
      ...matchLines(match),
      ...Object.entries(candidate.quantizing).map(
        ([key, value]) => `    ${key}: ${inline(kindFirst(value))}`,
      ),
    ]),
    ...(target ? ["targets:", `  - ${inline(kindFirst(target))}`] : []),
    "",
  ].join("\n");
}

/** As people write it: what it is before its options. */
function kindFirst(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const rank = (key: string) => (key === "method" || key === "target" ? 0 : 1);
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => rank(a) - rank(b)));
}

function matchLines(match: readonly string[]): readonly string[] {
  if (match.length === 1) return [`  - match: ${inline(match[0])}`];
  return ["  - match:", ...match.map((pattern) => `      - ${inline(pattern)}`)];
}

/** One line of YAML; keys without a value are left out. */
function inline(value: unknown): string {
  const known = JSON.parse(JSON.stringify(value));
  return stringify(known, { collectionStyle: "flow", lineWidth: 0 }).trimEnd();
}
