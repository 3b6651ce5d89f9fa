import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { outputErrors } from "../quantizers/output-errors.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { InputToScale, LinearToScale, ScaleTransform } from "./transform.js";

const options = z.strictObject({
  groupedValues: z
    .boolean()
    .default(false)
    .describe(
      "under grouped attention scale the values too, a channel by the mean of what its query heads read; the published method does not",
    ),
});

/** Exponents r = 0, 1/20 … 19/20. */
const exponents = 20;

/** Least scale before they are normalised: that of a channel without input. */
const least = 1e-4;

/**
 * Makes the weights of channels with large inputs larger, so that rounding costs them less: `s = mean|X|^r`, normalised to
 * `√(max s · min s) = 1`, with the exponent r whose weights, quantized by the recipe's own quantizer, change the outputs
 * least; the smallest of equals. At r = 0 nothing is scaled.
 *
 * The published code compares what a whole module computes (attention, the feed-forward layer). Here it is the mean squared
 * error of the linears of the input, `Σ tr(Δ H Δᵀ)` with the second moments H of the input: nothing is computed for it but
 * products of weights.
 */
export const awq: ScaleTransform<z.infer<typeof options>> = {
  name: "awq",
  summary: "weights of channels with large inputs made larger, by a search with the recipe's quantizer",
  source: "AWQ, arXiv 2306.00978 §3.2; mit-han-lab/llm-awq, auto_scale.py",
  options,
  needsText: true,
  searches: true,
  takes: ({ runs }, { groupedValues }) => groupedValues || runs.every(({ firsts }) => firsts.length === 1),
  async fit(toScale, _, kernels) {
    const magnitudes = sharedMagnitudes(toScale);
    let best: Float32Array | null = null;
    let leastError = Number.POSITIVE_INFINITY;
    for (let step = 0; step < exponents; step++) {
      const scales = scalesOf(magnitudes, step / exponents);
      const error = await errorOf(scales, toScale, kernels);
      if (error < leastError) [best, leastError] = [scales, error];
    }
    if (best) return best;
    const names = toScale.linears.map(({ name }) => name).join(", ");
    throw new LuthierError(
      `awq finds no scales for the input of ${names}: quantized, its outputs are not finite`,
      "keep these linears float: add a rule for them with `keep: float` before the one that matches them",
    );
  },
};

/** Mean magnitudes of the channels; of what is read several times the mean of all. */
function sharedMagnitudes({ input, statistics: { meanMagnitude } }: InputToScale): Float64Array {
  const magnitudes = Float64Array.from(meanMagnitude);
  for (const { size, firsts } of input.runs) {
    for (let i = 0; i < size; i++) {
      const mean = firsts.reduce((sum, first) => sum + meanMagnitude[first + i], 0) / firsts.length;
      for (const first of firsts) magnitudes[first + i] = mean;
    }
  }
  return magnitudes;
}

function scalesOf(magnitudes: Float64Array, exponent: number): Float32Array {
  const scales = magnitudes.map((magnitude) => Math.max(magnitude ** exponent, least));
  let [smallest, largest] = [Number.POSITIVE_INFINITY, 0];
  for (const scale of scales) {
    smallest = Math.min(smallest, scale);
    largest = Math.max(largest, scale);
  }
  const middle = Math.sqrt(largest * smallest);
  return Float32Array.from(scales, (scale) => scale / middle);
}

/** Mean square of what the outputs of all linears lack when they are quantized with these scales. */
async function errorOf(
  scales: Float32Array,
  { linears, statistics: { second } }: InputToScale,
  kernels: Kernels,
): Promise<number> {
  if (second === null) throw new RangeError("the second moments were not measured");
  let sum = 0;
  for (const linear of linears) {
    const difference = await differenceOf(scales, linear);
    if (difference === null) continue;
    for (const error of await outputErrors(difference, second, kernels)) sum += error;
  }
  return sum;
}

/** `Q(W · diag(s)) · diag(s)⁻¹ − W`, `[N, K]`; null for a linear that stays float. */
async function differenceOf(
  scales: Float32Array,
  { weight, approximate }: LinearToScale,
): Promise<Matrix | null> {
  if (approximate === null) return null;
  const { rows, columns, data } = weight;
  const scaled = matrix(rows, columns);
  for (let first = 0; first < data.length; first += columns)
    for (let k = 0; k < columns; k++) scaled.data[first + k] = data[first + k] * scales[k];
  const { data: quantized } = await approximate(scaled);
  const difference = matrix(rows, columns);
  for (let first = 0; first < data.length; first += columns) {
    for (let k = 0; k < columns; k++)
      difference.data[first + k] = quantized[first + k] / scales[k] - data[first + k];
  }
  return difference;
}
