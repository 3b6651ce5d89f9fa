import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readTokenizerFiles, type TokenizerFiles } from "../checkpoint/tokenizer.js";
import { type LinearInfo, linearsOf, type ModelDescription, type ModelKind } from "../model/architecture.js";
import { matches, patternsOf, ruleFor } from "../recipe/match.js";
import { isStored, type Recipe, type TargetChoice, type TransformChoice } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { hadamardOf, rotationNote } from "../transforms/hadamard.js";
import { calibrationProblems, isFitted } from "./calibration-needs.js";
import { targetOf } from "./choices.js";
import { type PlannedQuantization, quantizationOf, type StoredOutlines } from "./plan-linear.js";
import { type Problem, refusal } from "./problems.js";
import { transformProblems } from "./transform-problems.js";

/** What will be done to every linear, settled before any work. */
export interface Plan {
  readonly transforms: readonly TransformChoice[];
  readonly linears: readonly PlannedLinear[];
  readonly targets: readonly TargetChoice[];
  /** What else there is to know of it, for people. */
  readonly notes: readonly string[];
}

export interface PlannedLinear {
  readonly linear: LinearInfo;
  /** The rule that decided, counted from 1. */
  readonly rule: number;
  /** What is made of it; null when it stays float. */
  readonly quantize: PlannedQuantization | null;
}

/** What a plan may need of a checkpoint besides its shapes. */
interface Given {
  readonly tokenizer?: TokenizerFiles | null;
  readonly stored?: StoredOutlines;
  readonly tensors?: TensorSource["tensors"];
  readonly weightedNorms?: readonly string[];
  readonly rotations?: DequantizedCheckpoint["rotations"];
  /** Nothing will be quantized: no calibration text is asked for. */
  readonly isEstimate?: boolean;
}

/**
 * Matches every linear to its rule and checks every shape, group and target constraint of the whole model.
 * @param config the checkpoint's config.json.
 * @param given the tokenizer, asked for only where a target keeps whole models (`tokenizerFor`), the schemes of the
 *   linears that a rule takes as they are stored (`takesStored`), the tensors, for transforms, norms with weights of
 *   their own, for targets that compute norms (`weightedNormsFor`), and the rotations of inputs that the weights ask for.
 * @throws LuthierError (usage) listing all that does not fit, with the linears' names and the ways out.
 */
export function makePlan(
  description: ModelDescription,
  config: Readonly<Record<string, unknown>>,
  recipe: Recipe,
  {
    tokenizer = null,
    stored = new Map(),
    tensors = new Map(),
    weightedNorms = [],
    rotations = new Map(),
    isEstimate = false,
  }: Given = {},
): Plan {
  const linears = linearsOf(description);
  const rotation = hadamardOf(recipe.transforms);
  const problems = unusedRules(linears, description.kind, recipe);
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
    const rotated = rotations.get(linear.name);
    const given = { description, stored, targets: recipe.targets, ...(rotated && { rotation: rotated }) };
    const quantize = quantizationOf(linear, { ...rule, quantize: rule.quantize }, given, problems);
    if (quantize) planned.push({ linear, rule: index + 1, quantize });
  }
  const lacksText = recipe.calibration === undefined && !isEstimate;
  problems.push(...calibrationProblems(planned, recipe, description.head, lacksText));
  problems.push(...transformProblems(description, planned, recipe, tensors, lacksText));
  const quantized = planned.flatMap(({ linear, quantize }) =>
    quantize ? { name: linear.name, weight: quantize.weight } : [],
  );
  for (const choice of recipe.targets) {
    const { target, parameters } = targetOf(choice);
    const refused = target.container?.refuse({ config, quantized, tokenizer, weightedNorms }, parameters);
    if (refused)
      problems.push({ linear: "the model", ...refused, reason: `${target.name}: ${refused.reason}` });
  }
  if (problems.length > 0) throw refusal(problems);
  const notes = [...(rotation ? [rotationNote(description, rotation)] : []), ...expertNotes(planned)];
  return { transforms: recipe.transforms, linears: planned, targets: recipe.targets, notes };
}

/** How experts are fitted to calibration text, where some are. */
function expertNotes(planned: readonly PlannedLinear[]): readonly string[] {
  const experts = planned.filter((each) => each.linear.isRouted && isFitted(each));
  if (experts.length === 0) return [];
  return [
    `${experts.length} linears of experts are fitted to the tokens of the calibration text that reach them in the quantized ` +
      "model; what aims at the float model aims at their float weights there. One that no token reaches is fitted to inputs " +
      "that are all alike.",
  ];
}

/** What targets that keep whole models judge a tokenizer by; null when the folder has none, or no target asks. */
export async function tokenizerFor(
  choices: readonly TargetChoice[],
  directory: string,
): Promise<TokenizerFiles | null> {
  if (!choices.some((choice) => targetOf(choice).target.container)) return null;
  return readTokenizerFiles(directory);
}

/** Rules that keep the head of causal models float are right for all others too: those have none to quantize. */
function unusedRules(linears: readonly LinearInfo[], kind: ModelKind, recipe: Recipe): Problem[] {
  const names = [...linears.map(({ name }) => name), ...(kind === "causal" ? [] : ["lm_head"])];
  return recipe.rules.flatMap((rule, index) =>
    names.some((name) => patternsOf(rule).some((pattern) => matches(pattern, name)))
      ? []
      : {
          linear: `rule ${index + 1} (match ${patternsOf(rule).join(", ")})`,
          reason: "matches no linear of this model",
          fix: `remove it or mend its pattern; a linear is called like ${linears[0].name}`,
        },
  );
}

/** Whether a recipe takes a linear as the checkpoint stores it. */
export function takesStored({ name }: LinearInfo, recipe: Recipe): boolean {
  return isStored(recipe.rules[ruleFor(name, recipe.rules)]?.quantize);
}
