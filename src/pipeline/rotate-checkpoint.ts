import type { Kernels } from "../kernels/kernels.js";
import { describeModel } from "../model/model.js";
import type { TransformChoice } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { hadamardOf, rotationsOf } from "../transforms/hadamard.js";
import { randomSigns, rotatedTensors } from "../transforms/rotated-tensors.js";

/**
 * A checkpoint as the `hadamard` among some transforms leaves it, or as it is without one.
 * @param seed of its signs.
 * @param isRotated whether the input of a linear will be rotated when it runs, where it can be.
 */
export function rotateCheckpoint(
  checkpoint: DequantizedCheckpoint,
  transforms: readonly TransformChoice[],
  seed: number,
  isRotated: (linear: string) => boolean,
  kernels: Kernels,
): DequantizedCheckpoint {
  const chosen = hadamardOf(transforms);
  if (chosen === null) return checkpoint;
  const description = describeModel(checkpoint.config, (name) => checkpoint.tensors.get(name)?.shape);
  const { groups, inputs } = rotationsOf(description, chosen);
  const rotations = { groups, inputs: new Map([...inputs].filter(([name]) => isRotated(name))) };
  const signs = chosen.signs ? randomSigns(description.hiddenSize, seed) : null;
  return rotatedTensors(checkpoint, description, rotations, signs, kernels);
}
