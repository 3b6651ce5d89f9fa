import { z } from "zod";
import { type PlanesScheme, tritsOutline } from "../schemes/planes.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import { granularity } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { ternaryPlane } from "./ternary-plane.js";

const options = z.strictObject({
  group: granularity.default(128),
  threshold: z
    .enum(["exact", "approximate"])
    .default("exact")
    .describe("`exact`: the least-squares optimum; `approximate`: the paper's 0.7 · mean|w|"),
});

/** Ternary Weight Networks: one ternary plane whose threshold and scale minimise the squared error. */
export const twn: Quantizer<z.infer<typeof options>, PlanesScheme> = {
  name: "twn",
  summary: "ternary with the least squared error, per tensor, row or group",
  source: "Ternary Weight Networks, arXiv 1605.04711 §2.2",
  options,
  outline: (rows, columns, { group }) => tritsOutline(1, scaleGrid(rows, columns, group)),
  quantize: (weight, { group, threshold }, kernels) =>
    ternaryPlane(weight, group, threshold === "exact" ? "twn-exact" : "twn", kernels),
};
