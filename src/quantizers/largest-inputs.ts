import { LuthierError } from "../error.js";
import type { CalibrationInputs, LinearToFit } from "./calibrated-quantizer.js";

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
  const channel = largest.findIndex((most) => !Number.isFinite(most));
  if (channel < 0) return largest;
  throw new LuthierError(
    `on the calibration text the input of ${linears[0].name} is not finite at channel ${channel}`,
    "check that the checkpoint is whole: the model computes NaN or infinity",
  );
}
