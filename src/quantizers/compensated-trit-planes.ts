import { z } from "zod";
import { tritsOutline } from "../schemes/planes.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { compensatedBytes, compensatedWeights, compensation } from "./compensated-weights.js";
import { groupOrRow } from "./granularity.js";
import type { LevelGrid } from "./level-grid.js";
import { type PlanesLevels, planesLevels, planesScheme } from "./planes-grid.js";
import { tritPlanes } from "./trit-planes.js";

const options = z.strictObject({
  planes: z.int().min(1).max(3).default(2).describe("trit planes that are added up"),
  group: groupOrRow.default(128),
  ...compensation,
});

/** Trit planes, each column's error made up for by the later ones: PTQTP's levels in GPTQ's loop. */
export const compensatedTritPlanes: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "compensated-trit-planes",
  summary: "one to three ternary planes added, the error of each column made up for by the later ones",
  source: "PTQTP, arXiv 2509.16989 (levels); GPTQ, arXiv 2210.17323 (compensation)",
  options,
  outline: ({ rows, columns }, chosen) => tritPlanes.outline(rows, columns, chosen),
  workingBytes: (linears, _, chosen) => compensatedBytes(linears, chosen),
  quantize: (linears, inputs, chosen, { kernels }) =>
    compensatedWeights(linears, inputs, chosen, tritGrid(chosen.planes), kernels),
};

function tritGrid(planes: number): LevelGrid<PlanesLevels> {
  return {
    async fit(weights, kernels) {
      const { scales } = await kernels.tritPlanes(weights.data, weights.columns, planes);
      return planesLevels("trits", planes, scales, null);
    },
    scheme: (grid, codes, groups) => planesScheme(tritsOutline(planes, grid), codes, groups),
  };
}
