/** What one linear's quantization did to the whole model. */
export interface Probe {
  /** Relative error of the linear's outputs. */
  readonly error: number;
  /** Of the next-token distributions from the float model's: mean Kullback–Leibler divergence, in nats a token. */
  readonly divergence: number;
}

/**
 * The divergence to be expected of a relative error of a linear's outputs, from what was measured of that linear.
 *
 * A divergence is of second order in what moves the logits, and so is the relative error, a ratio of squares: for small
 * errors they are proportional. Large errors saturate. So: the power law through the probes between them, proportional
 * beyond them.
 *
 * @param probes one or two, of different errors.
 */
export function predictedLoss(error: number, probes: readonly Probe[]): number {
  const telling = probes.filter((probe) => probe.error > 0 && probe.divergence > 0);
  if (telling.length === 0) return 0; // what was tried changed nothing
  const [low, high = low] = telling.sort((a, b) => a.error - b.error);
  if (error <= low.error) return scaled(low, error);
  if (error >= high.error) return scaled(high, error);
  const along = Math.log(error / low.error) / Math.log(high.error / low.error);
  return low.divergence ** (1 - along) * high.divergence ** along;
}

function scaled({ error, divergence }: Probe, to: number): number {
  return (divergence * to) / error;
}
