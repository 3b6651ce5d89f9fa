import { randomStream } from "../../kernels/random.js";

/** How often examples are drawn anew: enough for a 95 % interval to have 25 values beyond each end. */
export const resampleCount = 1000;

/**
 * A number of each of `resampleCount` resamples of some examples: as many examples as there are, drawn with replacement (Efron
 * and Tibshirani, An Introduction to the Bootstrap, chapters 6 and 13). Draws depend on nothing but the number of
 * examples, so that all metrics, and both of two models, are seen on the same ones.
 *
 * @param statistic of how often each example was drawn, an array that is used again; NaN where those examples define none.
 * @returns in ascending order, without NaN.
 */
export function bootstrap(examples: number, statistic: (times: Uint32Array) => number): Float64Array {
  const times = new Uint32Array(examples);
  const found: number[] = [];
  for (let resample = 0; resample < resampleCount; resample++) {
    const uniform = randomStream(seed, resample);
    times.fill(0);
    for (let drawn = 0; drawn < examples; drawn++) times[Math.floor(uniform() * examples)]++;
    const value = statistic(times);
    if (!Number.isNaN(value)) found.push(value);
  }
  return Float64Array.from(found).sort();
}

/** Names the streams of this file among all (`randomStream`). */
const seed = 0x0b007;
