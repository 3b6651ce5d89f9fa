import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import type { Sharing } from "../targets/cost.js";
import type { Place } from "../targets/target.js";

/** Where a linear stands in its model. @param norm as `Place` has it: null where no weights are read. */
export function placeOf(
  { rotaryHeadSize }: LinearInfo,
  { hiddenSize, feedForwardSize }: ModelDescription,
  norm: Float32Array | null,
): Place {
  return { hiddenSize, feedForwardSize, rotaryHeadSize, norm };
}

/** What a linear has in common with others. @param quantized the quantized linears of its block, itself included. */
export function sharingOf(linear: LinearInfo, quantized: readonly LinearInfo[]): Sharing {
  const { norm, rows, attention } = linear;
  const sameInput = norm === null ? [linear] : quantized.filter((each) => each.norm === norm);
  const inputRows = sameInput.reduce((sum, each) => sum + each.rows, 0);
  return { inputRows, attentionRows: attention ? inputRows : rows };
}
