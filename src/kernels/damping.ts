/** The share of the mean second moment that GPTQ adds to each (arXiv 2210.17323 §3.3, step 3). */
export const usualDamping = 0.01;

/**
 * The diagonal of second moments `[K, K]` with λ times its mean added, `[K]`. An input that never was other than zero gets
 * 1 first, and no part in the mean: with it (the authors' code) λ would depend on the unit of the inputs.
 */
export function dampedDiagonal(second: Float64Array, size: number, damping: number): Float64Array {
  const diagonal = Float64Array.from({ length: size }, (_, i) => second[i * size + i]);
  let [sum, live] = [0, 0];
  for (const value of diagonal) {
    sum += value;
    if (value !== 0) live++;
  }
  const mean = live === 0 ? 1 : sum / live;
  return diagonal.map((value) => (value === 0 ? 1 : value) + damping * mean);
}

/** Second moments `[K, K]` with a damped diagonal. */
export function damped(second: Float64Array, size: number, damping: number): Float64Array {
  const out = second.slice();
  for (const [i, value] of dampedDiagonal(second, size, damping).entries()) out[i * size + i] = value;
  return out;
}
