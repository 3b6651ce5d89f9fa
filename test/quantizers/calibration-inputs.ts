import type { CalibrationInputs, LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import { timesTransposed } from "./random-matrix.js";

export function linearOf(name: string, weight: Matrix): LinearToFit {
  return { name, rows: weight.rows, columns: weight.columns, weight, attention: null };
}

/** A calibration text in two batches. */
export function inputsOf(quantized: Matrix, float: Matrix = quantized): CalibrationInputs {
  const middle = Math.floor(quantized.rows / 2);
  const batches = (x: Matrix) => [rowsOf(x, 0, middle), rowsOf(x, middle, x.rows)];
  return {
    quantized: batches(quantized),
    float: async function* () {
      yield* batches(float);
    },
  };
}

/** `tr(ΔHΔᵀ)`: what is lost in the outputs on these inputs, a token. */
export function proxyLoss(x: Matrix, weight: Matrix, approximation: Matrix): number {
  const difference = { ...weight, data: weight.data.map((value, i) => value - approximation.data[i]) };
  return timesTransposed(x, difference).data.reduce((sum, value) => sum + value ** 2, 0) / x.rows;
}
