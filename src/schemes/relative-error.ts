import type { Matrix } from "../tensor/matrix.js";
import type { WeightScheme } from "./scheme.js";
import { dequantize } from "./weights.js";

/** `‖W − Ŵ‖ / ‖W‖`, Frobenius; 0 for a weight of zeros that stayed zeros. */
export function relativeError(weight: Matrix, scheme: WeightScheme): number {
  const approximation = dequantize(scheme).data;
  const { data } = weight;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < data.length; i++) {
    const difference = approximation[i] - data[i];
    error += difference * difference;
    norm += data[i] * data[i];
  }
  return error === 0 ? 0 : Math.sqrt(error / norm);
}
