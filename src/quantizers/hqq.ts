import { z } from "zod";
import type { IntScheme } from "../schemes/int.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(4).describe("bits of a code"),
  group: groupOrRow
    .default(64)
    .describe("weights that share a scale and a zero point: a number of consecutive inputs, or `row`"),
  shrink: z
    .enum(["weights", "steps"])
    .default("weights")
    .describe(
      "what errors are measured in where they are shrunk by 1/β: `weights` as published, which shrinks only errors above 0.17, or `steps` of the grid",
    ),
});

/**
 * HQQ: uniform codes with a zero point of any float16 value, fitted without calibration data by half-quadratic splitting.
 * Groups run along the inputs (the authors' axis 1, which their kernels take); scales and zero points are not quantized
 * again.
 */
export const hqq: Quantizer<z.infer<typeof options>, IntScheme> = {
  name: "hqq",
  summary: "uniform INT-1…8 with float zero points by half-quadratic splitting",
  source: "HQQ, mobiusml/hqq (core/quantize.py, core/optimize.py) and its authors' article of 2023",
  options,
  outline: (rows, columns, { bits, group }) => ({
    scheme: "int",
    bits,
    symmetric: false,
    ...scaleGrid(rows, columns, group),
    zeroPointDtype: "F16",
  }),
  async quantize(weight, chosen, kernels) {
    const grid = scaleGrid(weight.rows, weight.columns, chosen.group);
    const { bits, shrink } = chosen;
    const fitted = await kernels.hqq(weight.data, { group: runLength(grid), bits, shrink });
    return { scheme: "int", bits, symmetric: false, ...grid, zeroPointDtype: "F16", ...fitted };
  },
};
