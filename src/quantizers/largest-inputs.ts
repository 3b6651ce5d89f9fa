import type { CalibrationInputs, LinearToFit } from "./calibrated-quantizer.js";
import { expectFiniteInput } from "./finite-inputs.js";

/**
 * The largest magnitude of each channel on the calibration text, `[K]`, as the quantized model computes it.
 * @throws LuthierError naming the linear and the channel that is not finite.
 */
export function largestInputs(
  linears: readonly LinearToFit[],
  { quantized }: CalibrationInputs,
): Float32Array {
  const largest = new Float32Array(linears[0].columns);
  for (const { data, columns } of quantized) {
    for (let at = 0; at < data.length; at++) {
      const channel = at % columns;
      largest[channel] = Math.max(largest[channel], Math.abs(data[at]));
    }
  }
  expectFiniteInput(linears, largest);
  return largest;
}
