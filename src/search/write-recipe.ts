import { writeAtomically } from "../checkpoint/atomic.js";
import { parseRecipe } from "../recipe/parse.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import type { Budget } from "./budget.js";
import { isFittedToText } from "./candidates.js";
import { type GroupedRule, groupedRules } from "./grouped-rules.js";
import type { Assignment } from "./measure-divergences.js";
import { type RecipeHead, recipeText } from "./recipe-text.js";
import { type ScoredLinear, scoreOf } from "./scores.js";
import type { SearchResult } from "./search.js";

/** What a recipe has besides its rules and comments. */
export type RecipeFrame = Omit<RecipeHead, "header">;

/** The recipe of an assignment, without a comment: for the plan. @param file where it would lie. */
export function plainRecipe(assignment: Assignment, frame: RecipeFrame, file: string): LoadedRecipe {
  const rules = groupedRules(assignment).map((rule) => ({ ...rule, comment: rule.candidate.name }));
  const text = recipeText({ ...framed(frame, assignment), header: [] }, rules);
  return { name: file, file, text, recipe: parseRecipe(text, file) };
}

/** Writes what was found, with what each rule costs and is expected to lose. */
export async function writeRecipe(
  { recipe: file, ...result }: SearchResult,
  assignment: Assignment,
  frame: RecipeFrame,
): Promise<void> {
  const rules = groupedRules(assignment).map((rule) => ({ ...rule, comment: commentOf(rule, result) }));
  const text = recipeText({ ...framed(frame, assignment), header: headerOf(result) }, rules);
  parseRecipe(text, file); // what is written can be read
  await writeAtomically(file, [Buffer.from(text)]);
}

/** The budget in words: `3 bits per weight`. */
export function budgetText({ unit, amount }: Budget): string {
  if (unit === "bits") return `${amount} bits per weight`;
  return unit === "bytes" ? `${amount} bytes` : `${amount} cycles a token`;
}

/** With the calibration only where a method needs it. */
function framed(frame: RecipeFrame, assignment: Assignment): RecipeFrame {
  return { ...frame, calibration: [...assignment.values()].some(isFittedToText) ? frame.calibration : null };
}

function headerOf({ model, budget, found, text, target, device }: Omit<SearchResult, "recipe">): string[] {
  const { bitsPerWeight, loss, divergence, bound } = found;
  const on = target ? `, for ${target.target}${device ? ` on ${device}` : ""}` : "";
  const proof = bound === loss ? "no choice has less" : `no choice has less than ${bound.toPrecision(3)}`;
  return [
    `Found by \`luthier search\` for ${model}: ${bitsPerWeight.toFixed(3)} bits per weight, scales included.`,
    `Budget: ${budgetText(budget)}${on}.`,
    `Divergence from the float model, nats a token: predicted ${loss.toPrecision(3)} (${proof}), measured ${divergence.toPrecision(3)},`,
    `on ${text.probedTokens} tokens of ${text.name}.`,
  ];
}

function commentOf(
  { candidate, linears }: GroupedRule,
  result: Pick<SearchResult, "linears" | "found">,
): string {
  const here = result.linears.filter(({ name }) => linears.includes(name));
  const { bitsPerWeight, loss } = scoreOf(here, chosenOf(here));
  const share = ((100 * loss) / result.found.loss).toFixed(1);
  const count = linears.length === 1 ? "1 linear" : `${linears.length} linears`;
  return `${candidate.name}: ${count}, ${bitsPerWeight.toFixed(2)} bits per weight, predicted loss ${loss.toPrecision(3)} (${share} %)`;
}

function chosenOf(linears: readonly (ScoredLinear & { readonly chosen: number })[]): readonly number[] {
  return linears.map(({ chosen }) => chosen);
}
