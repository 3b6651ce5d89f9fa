import { z } from "zod";
import { LuthierError } from "../error.js";
import type { IntScheme } from "../schemes/int.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { granularity } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(4).describe("bits of a code"),
  group: granularity.default(128),
  symmetric: z
    .boolean()
    .default(false)
    .describe("no zero point: levels mirror each other around 0 (2 bits or more)"),
  clip: z.boolean().default(false).describe("search the clipping range with the least |error|^2.4"),
});

/** Round-to-nearest: uniform codes over the range of each group, optionally clipped where the error is least. */
export const rtn: Quantizer<z.infer<typeof options>, IntScheme> = {
  name: "rtn",
  summary: "uniform INT-1…8, round to nearest, optional MSE clip search",
  source: "IST-DASLab/gptq, Quantizer.find_params; GPTQ, arXiv 2210.17323 §4 (the RTN baseline)",
  options,
  outline(rows, columns, { bits, group, symmetric }) {
    if (symmetric && bits === 1) {
      throw new LuthierError(
        "one symmetric bit leaves only the level 0",
        "use 2 bits or more, or `symmetric: false`",
      );
    }
    return { scheme: "int", bits, symmetric, ...scaleGrid(rows, columns, group) };
  },
  async quantize(weight, chosen, kernels) {
    const outline = { ...scaleGrid(weight.rows, weight.columns, chosen.group) };
    const { bits, symmetric, clip } = chosen;
    const fitted = await kernels.roundToNearest(weight.data, {
      group: runLength(outline),
      bits,
      symmetric,
      clip,
    });
    return { scheme: "int", bits, symmetric, ...outline, ...fitted };
  },
};
