import { z } from "zod";
import { type PlanesScheme, tritsOutline } from "../schemes/planes.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  planes: z.int().min(1).max(3).default(2).describe("trit planes that are added up"),
  group: groupOrRow
    .default(128)
    .describe("weights that share a scale a plane: a number of consecutive inputs, or `row`"),
});

/** PTQTP: a sum of ternary planes fitted by alternating least squares, without calibration data. */
export const tritPlanes: Quantizer<z.infer<typeof options>, PlanesScheme> = {
  name: "trit-planes",
  summary: "PTQTP: one to three ternary planes added, group-wise scales",
  source: "PTQTP, arXiv 2509.16989; tie-breaks and rounding as documented in src/kernels/trit-planes.ts",
  options,
  outline: (rows, columns, { planes, group }) => tritsOutline(planes, scaleGrid(rows, columns, group)),
  async quantize(weight, { planes, group }, kernels) {
    const grid = scaleGrid(weight.rows, weight.columns, group);
    const fitted = await kernels.tritPlanes(weight.data, runLength(grid), planes);
    return { ...tritsOutline(planes, grid), ...fitted };
  },
};
