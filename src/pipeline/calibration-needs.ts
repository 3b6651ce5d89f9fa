import type { LinearInfo } from "../model/architecture.js";
import { withoutCorrection } from "../quantizers/bias-correction.js";
import { isStored, type Recipe } from "../recipe/schema.js";
import { isStatic } from "../schemes/activation.js";
import { needText } from "../transforms/registry.js";
import { calibratedQuantizerOf } from "./choices.js";
import type { Plan, PlannedLinear } from "./plan.js";
import { inputDecidedBy } from "./plan-linear.js";
import { addCalibration, type Problem } from "./problems.js";

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

/** Whether rows of this linear are chosen against those of others, by the float model's inputs. */
export function choosesRows({ quantize }: PlannedLinear): boolean {
  return quantize !== null && calibratedQuantizerOf(quantize.choice)?.quantizer.chooseRows !== undefined;
}

/** What is wrong with rules that are fitted to calibration text. */
export function calibrationProblems(
  planned: readonly PlannedLinear[],
  { rules }: Recipe,
  head: LinearInfo | null,
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
    if (biasCorrection && linear.isRouted) {
      problems.push({
        linear: linear.name,
        reason:
          "`biasCorrection` takes the mean over whole windows, and only some tokens of a window reach an expert",
        fix: "remove `biasCorrection` from the rule, or give experts a rule of their own before it",
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
    if (linear.name === head?.name) {
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
