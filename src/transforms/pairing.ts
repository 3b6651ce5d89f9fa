import { z } from "zod";
import type { OrderTransform } from "./transform.js";

/**
 * Puts channels that matter much beside channels that matter little. Where two consecutive inputs are one position with
 * one codebook, the codebook then serves the one that matters; of two that matter it would serve neither well.
 *
 * By falling importance the i-th channel makes a pair with the i-th last, the most important pair first. Of an odd number
 * the middle one is last, alone. Equal ones keep their order.
 */
export const pairing: OrderTransform = {
  name: "pairing",
  options: z.strictObject({}),
  summary: "each important channel beside an unimportant one, for codebooks of pairs of inputs",
  source: "made for LUT-LLM's pairs of inputs (arXiv 2511.06174); exact by the symmetry of the channels",
  needsText: true,
  order(importance) {
    const falling = Uint32Array.from(importance.keys()).sort((a, b) =>
      importance[a] === importance[b] ? a - b : importance[a] > importance[b] ? -1 : 1,
    );
    const last = falling.length - 1;
    return falling.map((_, at) => falling[at % 2 === 0 ? at / 2 : last - (at - 1) / 2]);
  },
};
