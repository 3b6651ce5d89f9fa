import type { PlanesScheme } from "../schemes/planes.js";
import type { WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * What a bias makes up for, with x the float model's inputs of the linear and x̂ those that come out of the quantized linears
 * before it (Nagel et al., arXiv 1906.04721 §4.2, on data instead of the statistics of norms):
 *
 * - `own`: the mean error of the linear itself, `C = E[W x̂ − Ŵ x̂]`;
 * - `float`: that and what came before, `C = E[W x − Ŵ x̂]`: outputs have the float model's mean;
 * - `dead-zone`: of the linear's own the part of the weights that became zero, `C_o = Σ_{i: t_oi = 0} w_oi E[x̂_i]`. It is
 *   what the bias of Tequila (arXiv 2509.23809 §3) comes to without training: there a factor λ stands for the inputs,
 *   and weights are learned with it.
 */
export const biasCorrections = ["own", "float", "dead-zone"] as const;

export type BiasCorrection = (typeof biasCorrections)[number];

/** Why a scheme has no such correction; null when it has. */
export function withoutCorrection(weight: WeightOutline, correction: BiasCorrection): string | null {
  return correction !== "dead-zone" || isTernary(weight)
    ? null
    : "its weights are no trits, and only those have a dead zone";
}

/**
 * `[N]`: the mean outputs that the quantized linear lacks.
 * @param weight the float weight `[N, K]`.
 * @param inputs `[K]`, the mean of x for `float`, else of x̂.
 * @param outputs `[N]`, the mean of the quantized linear's outputs without a bias; asked for where they matter.
 */
export async function missingMean(
  correction: BiasCorrection,
  weight: Matrix,
  scheme: WeightScheme,
  inputs: Float64Array,
  outputs: () => Promise<Float64Array>,
): Promise<Float64Array> {
  if (correction === "dead-zone") {
    if (!isTernary(scheme)) throw new RangeError("only trits have a dead zone");
    return timesMean(weight, inputs, (at) => isDead(scheme, at));
  }
  const quantized = await outputs();
  return timesMean(weight, inputs, () => true).map((output, row) => output - quantized[row]);
}

/** `W · mean` over the weights that are counted, in float64. */
function timesMean(weight: Matrix, mean: Float64Array, counts: (at: number) => boolean): Float64Array {
  const { rows, columns, data } = weight;
  const out = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at++)
      if (counts(at)) out[row] += data[at] * mean[column];
  return out;
}

function isTernary<Weight extends WeightOutline>(weight: Weight): weight is Weight & { scheme: "planes" } {
  return weight.scheme === "planes" && weight.alphabet === "trits";
}

/** Whether all trits of a weight are zero. */
function isDead({ codes, planes }: PlanesScheme, at: number): boolean {
  const size = codes.length / planes;
  for (let plane = 0; plane < planes; plane++) if (codes[plane * size + at] !== 0) return false;
  return true;
}

/**
 * The mean over the tokens of equally long windows, in float64, without the first of each. Models use that one as a sink
 * of attention: a few of its values are hundreds of times as large as any other token's (Sun et al., arXiv 2402.17762), and
 * a mean with it would add its error to every token.
 */
export class MeanOfTokens {
  readonly #length: number;
  readonly #sums: Float64Array;
  #tokens = 0;

  /** @param length tokens of a window. */
  constructor(length: number, columns: number) {
    this.#length = length;
    this.#sums = new Float64Array(columns);
  }

  /** @param batch whole windows, `[windows · length, columns]`. */
  add(batch: Matrix): void {
    const { rows, columns, data } = batch;
    for (let row = 0; row < rows; row++) {
      if (row % this.#length === 0) continue;
      for (let column = 0; column < columns; column++) this.#sums[column] += data[row * columns + column];
      this.#tokens++;
    }
  }

  /** @throws RangeError when there was no token. */
  get value(): Float64Array {
    if (this.#tokens === 0) throw new RangeError("no tokens to take the mean of");
    return this.#sums.map((sum) => sum / this.#tokens);
  }
}
