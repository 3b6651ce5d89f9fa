import { z } from "zod";
import { tritsOutline } from "../schemes/planes.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { asStored, granularity } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({ group: granularity.default("tensor") });

/**
 * BitNet b1.58: one ternary plane with the mean magnitude as scale. Made for weights trained that way, given as float
 * masters or as already ternary values, which are then kept exactly.
 */
export const absmean: Quantizer<z.infer<typeof options>> = {
  name: "absmean",
  summary: "ternary by mean magnitude, for ternary-trained checkpoints",
  source: "BitNet b1.58, arXiv 2402.17764 §2",
  options,
  outline: (rows, columns, { group }) => tritsOutline(1, scaleGrid(rows, columns, group)),
  async quantize(weight, { group }, kernels) {
    const grid = scaleGrid(weight.rows, weight.columns, group);
    const { codes, scales } = await kernels.ternary(weight.data, runLength(grid), "absmean");
    return { ...tritsOutline(1, grid), codes, scales: asStored(grid, scales) };
  },
};
