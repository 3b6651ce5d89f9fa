import { biasesOf, type Config, headsOf, slidingWindow } from "../../model/architectures/llama-config.js";
import type { Refusal } from "../target.js";
import { headLanes } from "./attention.js";

/** Why the kernel cannot compute a model between its linears; null when it can, norms of queries and keys left out. */
export function kernelRefusal(config: Config): Refusal | null {
  const { projections, output, feedForward } = biasesOf(config);
  const biased = projections
    ? "q, k and v"
    : output
      ? "attention's output"
      : feedForward
        ? "its feed-forward layers"
        : null;
  if (biased !== null) return { reason: `with biases on ${biased}, and the kernel adds none`, fix };
  const sliding = Array.from({ length: config.num_hidden_layers }, (_, layer) => layer).find(
    (layer) => slidingWindow(config, layer) !== null,
  );
  if (sliding !== undefined) {
    const window = slidingWindow(config, sliding);
    return {
      reason: `its layer ${sliding} attends to the last ${window} tokens, the kernel to all before`,
      fix,
    };
  }
  const { headSize } = headsOf(config);
  if (headSize % headLanes !== 0) {
    return { reason: `its heads have ${headSize} elements, the kernel multiplies ${headLanes} at once`, fix };
  }
  return null;
}

const fix = "use `fidelity: linears`: the linears as the hardware, all else as the model defines it";
