import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { ModelDescription } from "../model/architecture.js";
import { isStored, type Recipe } from "../recipe/schema.js";
import { foldNorms, foldsNorms } from "../transforms/fold-norms.js";
import { hadamard } from "../transforms/hadamard.js";
import { findOrderTransform, findScaleTransform, needText } from "../transforms/registry.js";
import type { PlannedLinear } from "./plan.js";
import { addCalibration, type Problem } from "./problems.js";
import { rotationProblems } from "./rotation-problems.js";
import { searchedWith } from "./searched-with.js";

/**
 * Why the recipe's transforms cannot be made of a model.
 * @param tensors the checkpoint's.
 * @param lacksText no calibration text, and it is needed.
 */
export function transformProblems(
  description: ModelDescription,
  planned: readonly PlannedLinear[],
  { transforms }: Recipe,
  tensors: TensorSource["tensors"],
  lacksText: boolean,
): readonly Problem[] {
  if (transforms.length === 0) return [];
  const names = transforms.map((each) => each.transform);
  const transform = names.find((name) => needText([name])) ?? names[0];
  const { channels } = description;
  const remove = "remove `transforms` from the recipe";
  const problems: Problem[] = [
    ...unknownChannels(description, transforms),
    ...clashes(transforms),
    ...rotationProblems(description, transforms),
  ];
  if (lacksText && needText(names)) {
    const reason = "it is fitted to what the model computes, and the recipe has no text for it";
    problems.push({ linear: `transform ${transform}`, reason, fix: addCalibration });
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
  return [...problems, ...unsearchable(description, planned, transforms)];
}

/** Transforms of channels that the model's family does not name. */
function unknownChannels(
  { channels, scalable, modelType }: ModelDescription,
  transforms: Recipe["transforms"],
): readonly Problem[] {
  const fix = "remove it from `transforms`, or say it in src/model/architectures (CONTRIBUTING.md)";
  return transforms.flatMap(({ transform }) => {
    const linear = `transform ${transform}`;
    if (channels.length === 0 && (findOrderTransform(transform) || transform === hadamard.name)) {
      const reason = `it is not known which tensors of a ${modelType} share their channels`;
      return { linear, reason, fix };
    }
    if (scalable.length === 0 && findScaleTransform(transform)) {
      const reason = `it is not known where the inputs of a ${modelType} can be scaled`;
      return { linear, reason, fix };
    }
    return [];
  });
}

/** Transforms that undo each other, or come twice. */
function clashes(transforms: Recipe["transforms"]): readonly Problem[] {
  const names = transforms.map(({ transform }) => transform);
  return names.flatMap((name, at) => {
    const problems: Problem[] = [];
    if (names.indexOf(name) < at) {
      const fix = "remove it but once from `transforms`";
      problems.push({ linear: `transform ${name}`, reason: "the recipe has it twice", fix });
    }
    if (findScaleTransform(name) && foldsNorms({ transforms })) {
      const reason = `${foldNorms.name} leaves norms without the weights that its scales are in`;
      const fix = `remove it or ${foldNorms.name} from \`transforms\``;
      problems.push({ linear: `transform ${name}`, reason, fix });
    }
    return problems;
  });
}

/** Linears whose methods no search can stand in for. */
function unsearchable(
  { scalable }: ModelDescription,
  planned: readonly PlannedLinear[],
  transforms: Recipe["transforms"],
): readonly Problem[] {
  return transforms.flatMap(({ transform, ...options }) => {
    const search = findScaleTransform(transform);
    if (!search?.searches) return [];
    const taken = new Set(
      scalable.filter((input) => search.takes(input, options)).flatMap((input) => input.linears),
    );
    const names = new Set([...taken].map(({ name }) => name));
    return planned.flatMap(({ linear, quantize }): readonly Problem[] => {
      const choice = quantize?.choice;
      if (!choice || isStored(choice) || !names.has(linear.name) || searchedWith(choice)) return [];
      const reason = `${transform} searches with what a method makes of weights alone, and ${String(choice.method)} has neither that nor bits and a group to round with instead`;
      const fix = `use another method, or remove ${transform} from \`transforms\``;
      return [{ linear: linear.name, reason, fix }];
    });
  });
}
