import { readTokenizerFiles, type TokenizerFiles } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { quantizers } from "../quantizers/registry.js";
import { matches, patternsOf, ruleFor } from "../recipe/match.js";
import type { QuantizeChoice, Recipe, TargetChoice } from "../recipe/schema.js";
import type { ActivationScheme, LinearOutline, WeightOutline } from "../schemes/scheme.js";
import { findTarget } from "../targets/registry.js";
import type { Place } from "../targets/target.js";
import { placeOf } from "./place.js";

/** What will be done to every linear, settled before any work. */
export interface Plan {
  readonly linears: readonly PlannedLinear[];
  readonly targets: readonly TargetChoice[];
}

export interface PlannedLinear {
  readonly linear: LinearInfo;
  /** The rule that decided, counted from 1. */
  readonly rule: number;
  /** What is made of it; null when it stays float. */
  readonly quantize: (LinearOutline & { readonly choice: QuantizeChoice }) | null;
}

/**
 * Matches every linear to its rule and checks every shape, group and target constraint of the whole model.
 * @param config the checkpoint's config.json; @param tokenizer asked for only where a target keeps whole models.
 * @throws LuthierError (usage) listing all that does not fit, with the linears' names and the ways out.
 */
export function makePlan(
  description: ModelDescription,
  config: Readonly<Record<string, unknown>>,
  recipe: Recipe,
  tokenizer: TokenizerFiles | null = null,
): Plan {
  const linears = [...description.blocks.flat(), description.head];
  const problems = unusedRules(linears, recipe);
  const planned: PlannedLinear[] = [];
  for (const linear of linears) {
    const index = ruleFor(linear.name, recipe.rules);
    const rule = recipe.rules[index];
    if (rule === undefined) {
      problems.push({
        linear: linear.name,
        reason: "no rule matches it",
        fix: 'end the rules with `match: "*"`',
      });
      continue;
    }
    if (rule.quantize === undefined) {
      planned.push({ linear, rule: index + 1, quantize: null });
      continue;
    }
    const weight = outlineOf(linear, rule.quantize, problems);
    const activation: ActivationScheme = rule.activation ?? { scheme: "float" };
    if (weight === null) continue;
    const place = placeOf(linear, description, null);
    for (const target of recipe.targets) checkTarget(linear, { weight, activation }, target, place, problems);
    planned.push({ linear, rule: index + 1, quantize: { weight, activation, choice: rule.quantize } });
  }
  const quantized = planned.flatMap(({ linear, quantize }) => (quantize ? linear.name : []));
  for (const choice of recipe.targets) {
    const { target } = targetOf(choice);
    const refused = target.container?.refuse(config, quantized, tokenizer);
    if (refused)
      problems.push({ linear: "the model", ...refused, reason: `${target.name}: ${refused.reason}` });
  }
  if (problems.length > 0) throw refusal(problems);
  return { linears: planned, targets: recipe.targets };
}

/** The quantizer of a choice with its options as the schema left them. */
export function quantizerOf({ method, ...options }: QuantizeChoice) {
  const quantizer = quantizers.find(({ name }) => name === method);
  if (quantizer === undefined) throw new RangeError(`no quantizer ${method}`);
  return { quantizer, options };
}

/** The target of a choice with its parameters as the schema left them. */
export function targetOf({ target: name, ...parameters }: TargetChoice) {
  return { target: findTarget(String(name)), parameters };
}

/** What targets that keep whole models judge a tokenizer by; null when the folder has none, or no target asks. */
export async function tokenizerFor(
  choices: readonly TargetChoice[],
  directory: string,
): Promise<TokenizerFiles | null> {
  if (!choices.some((choice) => targetOf(choice).target.container)) return null;
  return readTokenizerFiles(directory);
}

interface Problem {
  readonly linear: string;
  readonly reason: string;
  readonly fix: string;
}

function unusedRules(linears: readonly LinearInfo[], recipe: Recipe): Problem[] {
  return recipe.rules.flatMap((rule, index) =>
    linears.some(({ name }) => patternsOf(rule).some((pattern) => matches(pattern, name)))
      ? []
      : {
          linear: `rule ${index + 1} (match ${patternsOf(rule).join(", ")})`,
          reason: "matches no linear of this model",
          fix: `remove it or mend its pattern; a linear is called like ${linears[0].name}`,
        },
  );
}

function outlineOf(linear: LinearInfo, choice: QuantizeChoice, problems: Problem[]): WeightOutline | null {
  const { quantizer, options } = quantizerOf(choice);
  try {
    return quantizer.outline(linear.rows, linear.columns, options);
  } catch (error) {
    if (error instanceof LuthierError) {
      problems.push({ linear: linear.name, reason: error.message, fix: error.fix });
      return null;
    }
    if (!(error instanceof RangeError)) throw error;
    const divisors = [256, 128, 64, 32, 16].filter((group) => linear.columns % group === 0);
    const ways =
      divisors.length > 0 ? `a group of ${divisors.join(", ")}, or \`group: row\`` : "`group: row`";
    problems.push({
      linear: linear.name,
      reason: error.message,
      fix: `use ${ways}, or keep these linears float`,
    });
    return null;
  }
}

function checkTarget(
  linear: LinearInfo,
  outline: LinearOutline,
  choice: TargetChoice,
  place: Place,
  problems: Problem[],
): void {
  const { target, parameters } = targetOf(choice);
  const refused = target.refuse(outline.weight, outline.activation, parameters, place);
  if (refused)
    problems.push({ linear: linear.name, reason: `${target.name}: ${refused.reason}`, fix: refused.fix });
}

/** One line a reason, with all linears that share it. */
function refusal(problems: readonly Problem[]): LuthierError {
  const byReason = new Map<string, Problem[]>();
  for (const problem of problems) {
    const same = byReason.get(problem.reason + problem.fix) ?? [];
    byReason.set(problem.reason + problem.fix, [...same, problem]);
  }
  const lines = [...byReason.values()].map((same) => {
    const shown = same.slice(0, 3).map(({ linear }) => linear);
    const rest = same.length > shown.length ? ` and ${same.length - shown.length} more` : "";
    return `${shown.join(", ")}${rest}: ${same[0].reason} — ${same[0].fix}`;
  });
  return new LuthierError(
    `the recipe does not fit this model:\n${lines.map((line) => `  ${line}`).join("\n")}`,
    "mend the recipe as said above; `--dry-run` shows the plan without doing any work",
    { usage: true },
  );
}
