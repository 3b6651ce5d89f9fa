import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix } from "../tensor/matrix.js";

/** What calibration text says of an input of linears, as the float model computes it. K its channels. */
export interface InputStatistics {
  readonly tokens: number;
  /** `Σ x / tokens`, `[K]`. */
  readonly mean: Float32Array;
  /** `Σ |x| / tokens`, `[K]`. */
  readonly meanMagnitude: Float32Array;
  /** `Σ x² / tokens`, `[K]`. */
  readonly meanSquare: Float32Array;
  /** `max |x|`, `[K]`. */
  readonly largest: Float32Array;
  /** Second moments `Σ x xᵀ / tokens`, `[K, K]`, symmetric; null where nobody asked for them. */
  readonly second: Matrix | null;
}

/** Sums over all tokens so far, in float64 in the order of the tokens. */
export interface InputSums {
  tokens: number;
  readonly values: Float64Array;
  readonly magnitudes: Float64Array;
  readonly squares: Float64Array;
  readonly largest: Float64Array;
  readonly products: Float64Array | null;
}

/** @param second whether products of channels are summed too: `[K, K]` float64. */
export function noInputs(size: number, second: boolean): InputSums {
  return {
    tokens: 0,
    values: new Float64Array(size),
    magnitudes: new Float64Array(size),
    squares: new Float64Array(size),
    largest: new Float64Array(size),
    products: second ? new Float64Array(size * size) : null,
  };
}

/** Adds a batch `[tokens, K]`. */
export async function addInput(
  input: Matrix,
  sums: InputSums,
  kernels: Pick<Kernels, "addCovariance">,
): Promise<void> {
  const { rows, columns, data } = input;
  const { values, magnitudes, squares, largest, products } = sums;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let channel = 0; channel < columns; channel++, at++) {
      const value = data[at];
      const magnitude = Math.abs(value);
      values[channel] += value;
      magnitudes[channel] += magnitude;
      squares[channel] += value * value;
      if (magnitude > largest[channel]) largest[channel] = magnitude;
    }
  }
  sums.tokens += rows;
  if (products && rows > 0) await kernels.addCovariance(input, input, products);
}

/** Means of what was summed, as float32. */
export function statisticsOf(sums: InputSums): InputStatistics {
  const { tokens, values, magnitudes, squares, largest, products } = sums;
  const meansOf = (all: Float64Array) => {
    const means = new Float32Array(all.length); // `from` would list 24 bytes a number, of [K, K] too
    for (let i = 0; i < all.length; i++) means[i] = all[i] / tokens;
    return means;
  };
  return {
    tokens,
    mean: meansOf(values),
    meanMagnitude: meansOf(magnitudes),
    meanSquare: meansOf(squares),
    largest: Float32Array.from(largest),
    second: products && matrix(values.length, values.length, meansOf(products)),
  };
}
