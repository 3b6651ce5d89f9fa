import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readTokenizerFiles, type TokenizerFiles } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { type BiasCorrection, withoutCorrection } from "../quantizers/bias-correction.js";
import { calibratedQuantizers, quantizers } from "../quantizers/registry.js";
import { matches, patternsOf, ruleFor } from "../recipe/match.js";
import {
  isStored,
  type QuantizeChoice,
  type Quantizing,
  type Recipe,
  type TargetChoice,
  type TransformChoice,
} from "../recipe/schema.js";
import { activationFault, isStatic } from "../schemes/activation.js";
import type { Rotation } from "../schemes/rotation.js";
import type { ActivationScheme, LinearOutline, WeightOutline } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { inputOf } from "../schemes/vectors.js";
import { findTarget } from "../targets/registry.js";
import { type Place, refusalOf } from "../targets/target.js";
import { hadamardOf, rotationNote } from "../transforms/hadamard.js";
import { needText } from "../transforms/registry.js";
import { placeOf } from "./place.js";
import { addCalibration, type Problem, refusal } from "./problems.js";
import { transformProblems } from "./transform-problems.js";

/** The scheme of each linear that a checkpoint holds quantized, or why there is none; by the linear's name. */
export type StoredOutlines = ReadonlyMap<
  string,
  { readonly activation: ActivationScheme; readonly weight: WeightOutline | LuthierError }
>;

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

export interface PlannedQuantization extends LinearOutline {
  readonly choice: QuantizeChoice;
  /** Schemes that its method may make of it instead, by its values. */
  readonly alternatives: readonly WeightOutline[];
  /** What its own bias makes up for; null where it keeps the checkpoint's. */
  readonly biasCorrection: BiasCorrection | null;
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
  const linears = [...description.blocks.flat(), description.head];
  const rotation = hadamardOf(recipe.transforms);
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
  const notes = rotation ? [rotationNote(description, rotation)] : [];
  return { transforms: recipe.transforms, linears: planned, targets: recipe.targets, notes };
}

/** What a rule makes of a linear; null, and `problems` has why, where it can make nothing. */
export function quantizationOf(
  linear: LinearInfo,
  rule: Quantizing,
  { description, stored, targets, rotation }: LinearSurroundings,
  problems: Problem[],
): PlannedQuantization | null {
  const weight = outlineOf(linear, rule.quantize, stored, problems);
  if (weight === null) return null;
  const activation = activationOf(linear, rule, weight, stored);
  const fault = activationFault(linear.columns, activation);
  if (fault)
    problems.push({ linear: linear.name, reason: fault, fix: "use a divisor of them, or `per: token`" });
  const place = placeOf(linear, description, null);
  const alternatives = alternativesOf(linear, rule.quantize);
  const { biasCorrection = null } = rule;
  const given = {
    activation,
    ...(rotation && { rotation }),
    ...(biasCorrection && { bias: true as const }),
  };
  for (const target of targets)
    checkTarget(linear, [weight, ...alternatives], given, target, place, problems);
  return { weight, ...given, choice: rule.quantize, alternatives, biasCorrection };
}

/** What a linear becomes may depend on, besides its rule. */
interface LinearSurroundings {
  readonly description: ModelDescription;
  readonly stored: StoredOutlines;
  readonly targets: readonly TargetChoice[];
  /** Of its input. */
  readonly rotation?: Rotation;
}

/** The quantizer of a choice that looks at weights alone, with its options as the schema left them. */
export function quantizerOf({ method, ...options }: QuantizeChoice) {
  const quantizer = quantizers.find(({ name }) => name === method);
  if (quantizer === undefined) throw new RangeError(`no quantizer ${method}`);
  return { quantizer, options };
}

/** The quantizer of a choice that is fitted to calibration text; null for all other choices. */
export function calibratedQuantizerOf({ method, ...options }: QuantizeChoice) {
  const quantizer = calibratedQuantizers.find(({ name }) => name === method);
  return quantizer ? { quantizer, options } : null;
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

/** Whether a recipe takes a linear as the checkpoint stores it. */
export function takesStored({ name }: LinearInfo, recipe: Recipe): boolean {
  return isStored(recipe.rules[ruleFor(name, recipe.rules)]?.quantize);
}

/**
 * How a linear's input is represented: as the rule says; what it leaves open is as the scheme needs it, as the checkpoint
 * has it where its scheme is taken, or float.
 */
function activationOf(
  linear: LinearInfo,
  { activation, quantize }: Quantizing,
  weight: WeightOutline,
  stored: StoredOutlines,
): ActivationScheme {
  const decided = inputDecidedBy(weight);
  if (decided) return decided;
  const asStored = isStored(quantize) ? stored.get(linear.name)?.activation : undefined;
  return activation ?? asStored ?? { scheme: "float" };
}

/** The representation of the input that a weight asks for; null where the rule may choose. */
function inputDecidedBy(weight: WeightOutline): ActivationScheme | null {
  if (weight.scheme === "vectors") return inputOf(weight);
  return weight.scheme === "parts" && weight.by === "columns" ? { scheme: "parts" } : null;
}

/** Whether a transform or something of a linear is fitted to calibration text. */
export function needsCalibration({ transforms, linears }: Plan): boolean {
  return needText(transforms.map(({ transform }) => transform)) || hasFitted(linears);
}

/** Whether something of a linear is fitted to calibration text. */
export function hasFitted(linears: readonly PlannedLinear[]): boolean {
  return linears.some(readsText);
}

/** Whether this linear's method or bias is fitted to calibration text. */
export function isFitted({ quantize }: PlannedLinear): boolean {
  if (quantize === null) return false;
  return quantize.biasCorrection !== null || calibratedQuantizerOf(quantize.choice) !== null;
}

/** Whether something of this linear is fitted to calibration text: its method, its bias, or the scale of its input. */
export function readsText(linear: PlannedLinear): boolean {
  return isFitted(linear) || (linear.quantize !== null && isStatic(linear.quantize.activation));
}

/** What is wrong with rules that are fitted to calibration text. */
function calibrationProblems(
  planned: readonly PlannedLinear[],
  { rules }: Recipe,
  head: LinearInfo,
  lacksText: boolean,
): Problem[] {
  return planned.filter(readsText).flatMap(({ linear, rule, quantize }) => {
    if (quantize === null) return [];
    const { choice, biasCorrection, weight } = quantize;
    const ofNoMethod = biasCorrection ? "biasCorrection" : "a scale for all inputs";
    const fitted = calibratedQuantizerOf(choice) ? choice.method : ofNoMethod;
    const problems: Problem[] = [];
    const uncorrected = biasCorrection && withoutCorrection(weight, biasCorrection);
    if (uncorrected) {
      problems.push({
        linear: linear.name,
        reason: uncorrected,
        fix: "use `biasCorrection: own`, or a ternary method as `twn` or `trit-planes`",
      });
    }
    if (biasCorrection && isStored(choice)) {
      problems.push({
        linear: linear.name,
        reason: "it is taken as the checkpoint has it, and so is its bias",
        fix: "remove `biasCorrection` from the rule",
      });
    }
    if (lacksText) {
      problems.push({
        linear: linear.name,
        reason: `${fitted} is fitted to what the model computes, and the recipe has no text for it`,
        fix: addCalibration,
      });
    }
    if (linear.name === head.name) {
      problems.push({
        linear: linear.name,
        reason: `${fitted} is fitted block after block, and the head belongs to none`,
        fix: "give it a rule of its own before this one: `keep: float`, or nothing that is fitted",
      });
    }
    if (rules[rule - 1].activation && inputDecidedBy(weight)) {
      problems.push({
        linear: linear.name,
        reason: `${fitted} decides how the input is represented`,
        fix: "remove `activation` from the rule",
      });
    }
    return problems;
  });
}

function storedOutline(
  linear: LinearInfo,
  stored: StoredOutlines,
  problems: Problem[],
): WeightOutline | null {
  const found = stored.get(linear.name)?.weight;
  if (found !== undefined && !(found instanceof LuthierError)) return found;
  const { message: reason, fix } = found ?? {
    message: "the checkpoint does not hold it quantized",
    fix: "give it a rule of its own before this one: `keep: float`, or a quantizer",
  };
  problems.push({ linear: linear.name, reason, fix });
  return null;
}

function outlineOf(
  linear: LinearInfo,
  choice: QuantizeChoice,
  stored: StoredOutlines,
  problems: Problem[],
): WeightOutline | null {
  if (isStored(choice)) return storedOutline(linear, stored, problems);
  try {
    const calibrated = calibratedQuantizerOf(choice);
    if (calibrated) return calibrated.quantizer.outline(linear, calibrated.options);
    const { quantizer, options } = quantizerOf(choice);
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

function alternativesOf({ rows, columns }: LinearInfo, choice: QuantizeChoice): readonly WeightOutline[] {
  if (isStored(choice) || calibratedQuantizerOf(choice)) return [];
  const { quantizer, options } = quantizerOf(choice);
  return quantizer.alternatives?.(rows, columns, options) ?? [];
}

function checkTarget(
  linear: LinearInfo,
  weights: readonly WeightOutline[],
  given: Omit<LinearOutline, "weight">,
  choice: TargetChoice,
  place: Place,
  problems: Problem[],
): void {
  const { target, parameters } = targetOf(choice);
  const refusals = weights.map((weight) => refusalOf(target, { weight, ...given }, parameters, place));
  const refused = refusals.find((found) => found !== null);
  if (refused)
    problems.push({ linear: linear.name, reason: `${target.name}: ${refused.reason}`, fix: refused.fix });
}
