import { z } from "zod";
import type { BcqTask } from "../kernels/bcq.js";
import { signsOutline } from "../schemes/planes.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { compensatedBytes, compensatedWeights, compensation } from "./compensated-weights.js";
import { groupOrRow } from "./granularity.js";
import type { LevelGrid } from "./level-grid.js";
import { type PlanesLevels, planesLevels, planesScheme } from "./planes-grid.js";

const options = z.strictObject({
  planes: z.int().min(1).max(4).default(3).describe("sign planes that are added up: the bits of a weight"),
  group: groupOrRow.default(128),
  offset: z.boolean().default(false).describe("a fitted offset beside the scales of each group"),
  ...compensation,
});

/** Sign planes, each column's error made up for by the later ones: binary coding's levels in GPTQ's loop. */
export const compensatedBcq: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "compensated-bcq",
  summary: "one to four sign planes added, the error of each column made up for by the later ones",
  source: "LUT-GEMM, arXiv 2206.09557 §3.1 (levels); GPTQ, arXiv 2210.17323 (compensation)",
  options,
  outline: ({ rows, columns }, { planes, group, offset }) =>
    signsOutline(planes, offset, scaleGrid(rows, columns, group)),
  workingBytes: (linears, _, chosen) => compensatedBytes(linears, chosen),
  quantize(linears, inputs, chosen, { kernels }) {
    const { planes, offset } = chosen;
    return compensatedWeights(linears, inputs, chosen, signGrid({ planes, offset }), kernels);
  },
};

/** Levels of sign planes, fitted to a group as binary coding does. */
export function signGrid(fit: Omit<BcqTask, "group">): LevelGrid<PlanesLevels> {
  const { planes, offset } = fit;
  return {
    async fit(weights, kernels) {
      const { scales, offsets } = await kernels.bcq(weights.data, { group: weights.columns, ...fit });
      return planesLevels("signs", planes, scales, offsets);
    },
    scheme: (grid, codes, groups) => planesScheme(signsOutline(planes, offset, grid), codes, groups),
  };
}
