import type { Kernels } from "../kernels/kernels.js";
import type { Matrix } from "../tensor/matrix.js";
import type { GridScheme, WeightScheme } from "./scheme.js";
import { dequantize } from "./weights.js";

/** `‖W − Ŵ‖ / ‖W‖`, Frobenius; 0 for a weight of zeros that stayed zeros. */
export async function relativeError(weight: Matrix, scheme: WeightScheme, kernels: Kernels): Promise<number> {
  const rows =
    kernels.native && (scheme.scheme === "int" || scheme.scheme === "planes")
      ? await nativeRowErrors(weight, scheme, kernels)
      : rowErrors(weight, scheme);
  let error = 0;
  let norm = 0;
  for (let row = 0; row < weight.rows; row++) {
    error += rows[2 * row];
    norm += rows[2 * row + 1];
  }
  return error === 0 ? 0 : Math.sqrt(error / norm);
}

/** `[N, 2]`: for each row `Σ(ŵ − w)²` and `Σw²`, float64 in index order; the reference of the native kernel. */
export function rowErrors(weight: Matrix, scheme: WeightScheme): Float64Array {
  const approximation = dequantize(scheme).data;
  const out = new Float64Array(2 * weight.rows);
  for (let row = 0, i = 0; row < weight.rows; row++) {
    for (let column = 0; column < weight.columns; column++, i++) {
      const difference = approximation[i] - weight.data[i];
      out[2 * row] += difference * difference;
      out[2 * row + 1] += weight.data[i] * weight.data[i];
    }
  }
  return out;
}

async function nativeRowErrors(
  weight: Matrix,
  scheme: GridScheme,
  { native, threads }: Kernels,
): Promise<Float64Array> {
  const out = new Float64Array(2 * weight.rows);
  const { columns, group, scaleRows, scales } = scheme;
  const shape = Uint32Array.of(weight.rows, columns, group, scaleRows);
  if (scheme.scheme === "planes") {
    const offsets = scheme.offsets ?? new Float32Array(0);
    await native?.planesErrors(threads, shape, weight.data, scheme.codes, scales, offsets, out);
  } else {
    const { zeroPoints } = scheme;
    const zeros = zeroPoints
      ? Float32Array.from(zeroPoints)
      : new Float32Array(scales.length).fill(2 ** (scheme.bits - 1));
    await native?.intErrors(threads, shape, weight.data, scheme.codes, scales, zeros, out);
  }
  return out;
}
