import { z } from "zod";
import type { ScaleTransform } from "./transform.js";

const options = z.strictObject({
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("how much of the inputs' range goes into the weights: 0.5 as published for OPT, 0.8 for LLaMA"),
});

/** Least largest magnitude of a weight's column, and least scale: the published code's. */
const least = 1e-5;

/**
 * Evens out inputs and weights: `s_j = max|X_j|^α / max|W_j|^(1−α)` over the weights of all linears of the input, which is
 * divided by s and its weights multiplied. Only inputs that come out of a norm, as published: those of q, k, v, gate and up.
 */
export const smoothquant: ScaleTransform<z.infer<typeof options>> = {
  name: "smoothquant",
  summary: "part of the inputs' range into the weights, for activations in few bits",
  source: "SmoothQuant, arXiv 2211.10438 eq. 4; mit-han-lab/smoothquant, smooth.py",
  options,
  needsText: true,
  searches: false,
  takes: ({ madeBy }) => madeBy === "norm",
  async fit({ statistics: { largest }, linears }, { alpha }) {
    const weights = new Float64Array(largest.length).fill(least);
    for (const { weight } of linears) {
      const { columns, data } = weight;
      for (let first = 0; first < data.length; first += columns)
        for (let k = 0; k < columns; k++) weights[k] = Math.max(weights[k], Math.abs(data[first + k]));
    }
    return largest.map((input, channel) => Math.max(input ** alpha / weights[channel] ** (1 - alpha), least));
  },
};
