import { z } from "zod";
import { type PlanesScheme, signsOutline } from "../schemes/planes.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  group: groupOrRow.default("row"),
  centre: z
    .boolean()
    .default(false)
    .describe("take the mean off each group first and keep it as an offset, as ARB-LLM does with rows"),
});

/**
 * One plane of signs with the mean magnitude as scale: the least squares of XNOR-Net, whose filters are rows here. That is
 * the greedy start of binary coding with a single plane and nothing after it; a centred group has the signs and the
 * mean magnitude of what is left without its mean.
 */
export const binary: Quantizer<z.infer<typeof options>, PlanesScheme> = {
  name: "binary",
  summary: "signs with the mean magnitude as scale, one a row or group, optionally centred",
  source: "XNOR-Net, arXiv 1603.05279 §3.1; the mean as an offset: ARB-LLM, arXiv 2410.03129 §3.1",
  options,
  outline: (rows, columns, { group, centre }) => signsOutline(1, centre, scaleGrid(rows, columns, group)),
  async quantize(weight, { group, centre }, kernels) {
    const grid = scaleGrid(weight.rows, weight.columns, group);
    const task = { group: runLength(grid), planes: 1, offset: centre, rounds: 0 };
    const { codes, scales, offsets } = await kernels.bcq(weight.data, task);
    return { ...signsOutline(1, centre, grid), codes, scales, ...(offsets && { offsets }) };
  },
};
