import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import type { Place } from "../targets/target.js";

/** Where a linear stands in its model. @param norm as `Place` has it: null where no weights are read. */
export function placeOf(
  { rotaryHeadSize }: LinearInfo,
  { hiddenSize, feedForwardSize }: ModelDescription,
  norm: Float32Array | null,
): Place {
  return { hiddenSize, feedForwardSize, rotaryHeadSize, norm };
}
