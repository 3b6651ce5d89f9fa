import type { Kernels } from "../kernels/kernels.js";
import { openKernels } from "../kernels/open.js";
import type { ModelDescription } from "../model/architecture.js";
import { describeModel } from "../model/model.js";
import type { Recipe } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { foldNorms, foldsNorms } from "../transforms/fold-norms.js";
import { foldedNorms } from "../transforms/folded-norms.js";
import { makePlan, type Plan, tokenizerFor } from "./plan.js";
import { refusal } from "./problems.js";
import { rotateCheckpoint } from "./rotate-checkpoint.js";
import { storedOutlines } from "./stored-outlines.js";
import { weightedNormsFor } from "./weighted-norms.js";

/** A plan, and the model that it is of: as the recipe's transforms will have left it. */
export interface PlannedModel {
  readonly description: ModelDescription;
  readonly plan: Plan;
}

/**
 * What a recipe does to a checkpoint.
 * @param isEstimate nothing will be quantized: no calibration text is asked for.
 * @throws LuthierError when the recipe does not fit the model.
 */
export async function planCheckpoint(
  source: DequantizedCheckpoint,
  recipe: Recipe,
  isEstimate = false,
): Promise<PlannedModel> {
  const kernels = openKernels({ path: "reference" }); // reads no weights
  const folded = foldsNorms(recipe) ? withoutNorms(source, kernels) : source;
  const checkpoint = rotateCheckpoint(folded, recipe.transforms, recipe.seed, () => true, kernels);
  const { config, tensors, directory, rotations } = checkpoint;
  const description = describeCheckpoint(checkpoint);
  const stored = await storedOutlines(checkpoint, description, recipe);
  const tokenizer = await tokenizerFor(recipe.targets, directory);
  const weightedNorms = await weightedNormsFor(recipe.targets, description, checkpoint);
  const given = { tokenizer, stored, tensors, weightedNorms, rotations, isEstimate };
  return { description, plan: makePlan(description, config, recipe, given) };
}

function withoutNorms(source: DequantizedCheckpoint, kernels: Kernels): DequantizedCheckpoint {
  const description = describeCheckpoint(source);
  if (description.channels.length > 0) return foldedNorms(source, description, new Map(), kernels);
  const reason = `it is not known which linears of a ${description.modelType} stand behind its norms`;
  throw refusal([
    { linear: `transform ${foldNorms.name}`, reason, fix: "remove it from `transforms`, or use a Llama" },
  ]);
}

export function describeCheckpoint({ config, tensors }: DequantizedCheckpoint): ModelDescription {
  return describeModel(config, (name) => tensors.get(name)?.shape);
}
