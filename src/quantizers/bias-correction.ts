import type { PlanesScheme } from "../schemes/planes.js";
import type { WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * What a bias makes up for. `mean`: the mean by which a quantized linear's outputs differ from the float model's,
 * `C = E[W x] − E[Ŵ x̂]` with x̂ the quantized model's inputs (Nagel et al., arXiv 1906.04721 §4.2, on data).
 * `dead-zone`: of that the part of the weights that became zero, `C_o = Σ_{i: t_oi = 0} w_oi E[x_i]`. It is what Tequila's
 * bias (arXiv 2509.23809 §3) comes to without training: there λ replaces the inputs and is learned with.
 */
export const biasCorrections = ["mean", "dead-zone"] as const;

export type BiasCorrection = (typeof biasCorrections)[number];

/** Why a scheme has no such correction; null when it has. */
export function withoutCorrection(weight: WeightOutline, correction: BiasCorrection): string | null {
  return correction === "mean" || isTernary(weight)
    ? null
    : "its weights are no trits, and only those have a dead zone";
}

/**
 * `[N]`: the mean outputs that the quantized linear lacks.
 * @param weight the float weight `[N, K]`.
 * @param mean `[K]`, of the float model's inputs.
 * @param outputs `[N]`, the mean of the quantized linear's outputs without a bias; asked for where they matter.
 */
export async function missingMean(
  correction: BiasCorrection,
  weight: Matrix,
  scheme: WeightScheme,
  mean: Float64Array,
  outputs: () => Promise<Float64Array>,
): Promise<Float64Array> {
  if (correction === "dead-zone") {
    if (!isTernary(scheme)) throw new RangeError("only trits have a dead zone");
    return timesMean(weight, mean, (at) => isDead(scheme, at));
  }
  const quantized = await outputs();
  return timesMean(weight, mean, () => true).map((output, row) => output - quantized[row]);
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

/** The mean of rows that come in batches `[tokens, K]`, in float64. */
export class MeanOfRows {
  readonly #sums: Float64Array;
  #rows = 0;

  constructor(columns: number) {
    this.#sums = new Float64Array(columns);
  }

  add({ rows, columns, data }: Matrix): void {
    for (let row = 0, at = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) this.#sums[column] += data[at++];
    this.#rows += rows;
  }

  /** @throws RangeError when there was no row. */
  get value(): Float64Array {
    if (this.#rows === 0) throw new RangeError("no rows to take the mean of");
    return this.#sums.map((sum) => sum / this.#rows);
  }
}
