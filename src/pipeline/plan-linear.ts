import { LuthierError } from "../error.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import type { BiasCorrection } from "../quantizers/bias-correction.js";
import { isStored, type QuantizeChoice, type Quantizing, type TargetChoice } from "../recipe/schema.js";
import { activationFault } from "../schemes/activation.js";
import type { Rotation } from "../schemes/rotation.js";
import type { ActivationScheme, LinearOutline, WeightOutline } from "../schemes/scheme.js";
import { inputOf } from "../schemes/vectors.js";
import { type Place, refusalOf } from "../targets/target.js";
import { calibratedQuantizerOf, quantizerOf, targetOf } from "./choices.js";
import { placeOf } from "./place.js";
import type { Problem } from "./problems.js";

/** The scheme of each linear that a checkpoint holds quantized, or why there is none; by the linear's name. */
export type StoredOutlines = ReadonlyMap<
  string,
  { readonly activation: ActivationScheme; readonly weight: WeightOutline | LuthierError }
>;

export interface PlannedQuantization extends LinearOutline {
  readonly choice: QuantizeChoice;
  /** Schemes that its method may make of it instead, by its values. */
  readonly alternatives: readonly WeightOutline[];
  /** What its own bias makes up for; null where it keeps the checkpoint's. */
  readonly biasCorrection: BiasCorrection | null;
}

/** What a linear becomes may depend on, besides its rule. */
interface LinearSurroundings {
  readonly description: ModelDescription;
  readonly stored: StoredOutlines;
  readonly targets: readonly TargetChoice[];
  /** Of its input. */
  readonly rotation?: Rotation;
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
export function inputDecidedBy(weight: WeightOutline): ActivationScheme | null {
  if (weight.scheme === "vectors") return inputOf(weight);
  return weight.scheme === "parts" && weight.by === "columns" ? { scheme: "parts" } : null;
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
