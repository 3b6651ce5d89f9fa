import { z } from "zod";
import { tritsOutline } from "../schemes/planes.js";
import { runLength, scaleGrid } from "../schemes/scale-grid.js";
import { asStored, granularity } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";

const options = z.strictObject({
  group: granularity.default(128),
  threshold: z
    .enum(["exact", "approximate"])
    .default("exact")
    .describe("`exact`: the least-squares optimum; `approximate`: the paper's 0.7 · mean|w|"),
});

/** Ternary Weight Networks: one ternary plane whose threshold and scale minimise the squared error. */
export const twn: Quantizer<z.infer<typeof options>> = {
  name: "twn",
  summary: "ternary with the least squared error, per tensor, row or group",
  source: "Ternary Weight Networks, arXiv 1605.04711 §2.2",
  options,
  outline: (rows, columns, { group }) => tritsOutline(1, scaleGrid(rows, columns, group)),
  async quantize(weight, { group, threshold }, kernels) {
    const grid = scaleGrid(weight.rows, weight.columns, group);
    const rule = threshold === "exact" ? "twn-exact" : "twn";
    const { codes, scales } = await kernels.ternary(weight.data, runLength(grid), rule);
    return { ...tritsOutline(1, grid), codes, scales: asStored(grid, scales) };
  },
};
