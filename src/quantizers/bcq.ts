import { z } from "zod";
import { usualRounds } from "../kernels/bcq.js";
import { type PlanesScheme, signsOutline } from "../schemes/planes.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  planes: z.int().min(1).max(4).default(3).describe("sign planes that are added up: the bits of a weight"),
  group: groupOrRow
    .default(128)
    .describe("weights that share a scale a plane: a number of consecutive inputs, or `row`"),
  offset: z.boolean().default(false).describe("a fitted offset beside the scales of each group"),
  rounds: z
    .int()
    .min(0)
    .max(100)
    .default(usualRounds)
    .describe("alternations of scales and signs after the greedy start"),
  powersOfTwo: z
    .int()
    .min(1)
    .max(8)
    .optional()
    .describe("every scale is a sum of so many powers of two (ShiftAddLLM: 3); any value by default"),
});

/** Binary coding: a sum of sign planes with scales, fitted by alternating least squares, without calibration data. */
export const bcq: Quantizer<z.infer<typeof options>, PlanesScheme> = {
  name: "bcq",
  summary: "binary coding: one to four sign planes added, group-wise scales, optional offset",
  source: "LUT-GEMM, arXiv 2206.09557 §3.1 and naver-aics/lut-gemm examples/bcq.py",
  options,
  outline: (rows, columns, { planes, group, offset }) =>
    signsOutline(planes, offset, scaleGrid(rows, columns, group)),
  async quantize(weight, { group, ...chosen }, kernels) {
    const { planes, offset } = chosen;
    const grid = scaleGrid(weight.rows, weight.columns, group);
    const task = { group: runLength(grid), ...chosen };
    const { codes, scales, offsets } = await kernels.bcq(weight.data, task);
    return { ...signsOutline(planes, offset, grid), codes, scales, ...(offsets && { offsets }) };
  },
};
