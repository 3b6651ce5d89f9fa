import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readVector } from "../checkpoint/tensors.js";
import { openKernels } from "../kernels/open.js";
import type { ModelDescription } from "../model/architecture.js";
import type { TargetChoice } from "../recipe/schema.js";
import { targetOf } from "./choices.js";

/** Norms in blocks whose weights are not all 1, by tensor; none are read where no target computes norms itself. */
export async function weightedNormsFor(
  choices: readonly TargetChoice[],
  { blocks }: ModelDescription,
  source: TensorSource,
): Promise<readonly string[]> {
  const isAsked = choices.some((choice) => {
    const { target, parameters } = targetOf(choice);
    return target.glue?.(parameters);
  });
  if (!isAsked) return [];
  const kernels = openKernels({ path: "reference" }); // vectors of norms are short
  const weighted: string[] = [];
  for (const norm of new Set(blocks.flat().flatMap((linear) => linear.norm ?? []))) {
    const weight = await readVector(source, norm, kernels);
    if (weight.some((value) => value !== 1)) weighted.push(norm);
  }
  return weighted;
}
