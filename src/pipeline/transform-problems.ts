import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { ModelDescription } from "../model/architecture.js";
import { isStored, type Recipe } from "../recipe/schema.js";
import { findOrderTransform } from "../transforms/registry.js";
import type { PlannedLinear } from "./plan.js";
import { addCalibration, type Problem } from "./problems.js";

/**
 * Why the recipe's transforms cannot be made of a model.
 * @param tensors the checkpoint's.
 * @param lacksText no calibration text, and it is needed.
 */
export function transformProblems(
  { channels, modelType }: ModelDescription,
  planned: readonly PlannedLinear[],
  { transforms }: Recipe,
  tensors: TensorSource["tensors"],
  lacksText: boolean,
): readonly Problem[] {
  if (transforms.length === 0) return [];
  const [{ transform }] = transforms;
  const ofTransform = (reason: string, fix: string) => ({ linear: `transform ${transform}`, reason, fix });
  const remove = "remove `transforms` from the recipe";
  const problems: Problem[] = [];
  if (lacksText) {
    const reason = "it is fitted to what the model computes, and the recipe has no text for it";
    problems.push(ofTransform(reason, addCalibration));
  }
  if (channels.length === 0 && transforms.some((each) => findOrderTransform(each.transform))) {
    const reason = `it is not known which tensors of a ${modelType} share their channels`;
    problems.push(ofTransform(reason, `${remove}, or say it in src/model/architectures (CONTRIBUTING.md)`));
  }
  for (const { linear, quantize } of planned) {
    if (!isStored(quantize?.choice)) continue;
    const reason = `${transform} changes its weights, but its codes are taken as they are stored`;
    const fix = `${remove}, or take the checkpoint that this one was quantized from`;
    problems.push({ linear: linear.name, reason, fix });
  }
  for (const tensor of new Set(channels.flatMap(({ places }) => places.map((place) => place.tensor)))) {
    if (!tensors.has(`${tensor}_scale_inv`) && !tensors.has(`${tensor}_scale`)) continue;
    const reason = `${transform} changes them, but they share scales`;
    const fix = `${remove}, or take the checkpoint in BF16`;
    problems.push({ linear: `tensor ${tensor}`, reason, fix });
  }
  return problems;
}
