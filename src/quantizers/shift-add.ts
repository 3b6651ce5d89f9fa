import { z } from "zod";
import { signsOutline } from "../schemes/planes.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { signGrid } from "./compensated-bcq.js";
import { compensatedBytes, compensatedWeights, compensation } from "./compensated-weights.js";
import { groupOrRow } from "./granularity.js";

const options = z.strictObject({
  planes: z.int().min(1).max(4).default(3).describe("sign planes that are added up: the bits of a weight"),
  group: groupOrRow.default(128),
  powersOfTwo: z.int().min(1).max(8).default(3).describe("that a scale is the sum of"),
  rounds: z
    .int()
    .min(0)
    .max(100)
    .default(50)
    .describe("alternations of scales and signs after the greedy start"),
  ...compensation,
});

/**
 * ShiftAddLLM: sign planes whose scales are sums of three powers of two, so that products need shifts and additions alone,
 * with each column's error made up for by the later ones.
 *
 * The authors' groups run along the outputs: a scale for each column and group of rows ("acc"), fitted as the loop comes to
 * the column, or for eight columns and an eighth of the rows ("lat"). Planes here have groups of inputs in a row, as
 * LUT-GEMM's kernels read them: scales are fitted when the loop comes to a group, one each for a row and a plane. They are
 * stored as float16, which keeps them sums of as many powers of two (src/kernels/bcq.ts).
 */
export const shiftAdd: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "shift-add",
  summary: "sign planes with scales of three powers of two, errors made up for by later columns",
  source: "ShiftAddLLM, arXiv 2406.05981 §4 and GATECH-EIC/ShiftAddLLM (additive powers of two)",
  options,
  outline: ({ rows, columns }, { planes, group }) =>
    signsOutline(planes, false, scaleGrid(rows, columns, group)),
  workingBytes: (linears, _, chosen) => compensatedBytes(linears, chosen),
  quantize(linears, inputs, chosen, { kernels }) {
    const { planes, powersOfTwo, rounds } = chosen;
    const grid = signGrid({ planes, offset: false, powersOfTwo, rounds });
    return compensatedWeights(linears, inputs, chosen, grid, kernels);
  },
};
