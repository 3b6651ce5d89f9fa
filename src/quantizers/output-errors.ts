import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, transposed } from "../tensor/matrix.js";

/**
 * What errors Δ of a weight do to its outputs: for each row the mean square of Δ x over the tokens, `δ H δᵀ` with the
 * second moments H of the input. The products δ H are float32 sums over 64 channels, added in float64; all else is float64.
 *
 * @param difference Δ, `[N, K]`.
 * @param second H, `[K, K]`.
 * @returns `[N]`.
 */
export async function outputErrors(
  difference: Matrix,
  second: Matrix,
  kernels: Pick<Kernels, "addCovariance">,
): Promise<Float64Array> {
  const { rows, columns, data } = difference;
  const products = new Float64Array(rows * columns);
  await kernels.addCovariance(transposed(difference), second, products);
  const errors = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) errors[row] += data[at] * products[at];
  }
  return errors;
}
