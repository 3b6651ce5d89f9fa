import { z } from "zod";
import { type PlanesScheme, tritsOutline } from "../schemes/planes.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import { granularity } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { ternaryPlane } from "./ternary-plane.js";

const options = z.strictObject({ group: granularity.default("tensor") });

/**
 * BitNet b1.58: one ternary plane with the mean magnitude as scale. Made for weights trained that way, given as float
 * masters or as already ternary values, which are then kept exactly.
 */
export const absmean: Quantizer<z.infer<typeof options>, PlanesScheme> = {
  name: "absmean",
  summary: "ternary by mean magnitude, for ternary-trained checkpoints",
  source: "BitNet b1.58, arXiv 2402.17764 §2",
  options,
  outline: (rows, columns, { group }) => tritsOutline(1, scaleGrid(rows, columns, group)),
  quantize: (weight, { group }, kernels) => ternaryPlane(weight, group, "absmean", kernels),
};
