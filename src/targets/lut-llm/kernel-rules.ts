import {
  biasesOf,
  type Config,
  hasHeadNorms,
  headsOf,
  slidingLayer,
} from "../../model/architectures/llama-config.js";
import type { Refusal } from "../target.js";
import { headLanes } from "./attention.js";

/**
 * Why the kernel cannot compute a model between its linears; null when it can.
 * @param weightedNorms tensors of the blocks' norms whose weights are not all 1.
 */
export function kernelRefusal(config: Config, weightedNorms: readonly string[]): Refusal | null {
  const biased = biasedPart(config);
  if (biased !== null) return { reason: `${biased} have biases, the kernel adds none`, fix: onlyLinears };
  const sliding = slidingLayer(config);
  if (sliding !== null) {
    const { layer, window } = sliding;
    return {
      reason: `layer ${layer} attends to the last ${window} tokens, the kernel to all before`,
      fix: onlyLinears,
    };
  }
  const { headSize } = headsOf(config);
  if (headSize % headLanes !== 0) {
    return {
      reason: `its heads have ${headSize} elements, the kernel multiplies ${headLanes} at once`,
      fix: onlyLinears,
    };
  }
  if (hasHeadNorms(config)) {
    return { reason: "it has norms of queries and keys, the kernel has none", fix: folding };
  }
  if (weightedNorms.length > 0) {
    const [first] = weightedNorms;
    const rest = weightedNorms.length > 1 ? ` and ${weightedNorms.length - 1} more norms` : "";
    return {
      reason: `${first}${rest} have weights of their own, the kernel one vector for all`,
      fix: folding,
    };
  }
  return null;
}

const onlyLinears = "use `fidelity: linears`: the linears as the hardware, all else as the model defines it";
const folding = `quantize with \`transforms: [{ transform: fold-norms }]\`; or ${onlyLinears}`;

function biasedPart(config: Config): string | null {
  const { projections, output, feedForward } = biasesOf(config);
  if (projections) return `its queries, keys and values${output ? " and attention's output" : ""}`;
  return feedForward ? "its feed-forward layers" : null;
}
