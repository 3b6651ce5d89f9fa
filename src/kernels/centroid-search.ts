import type { Matrix } from "../tensor/matrix.js";

/**
 * Where hardware's search begins: centroids as far as this are never found, and the first is meant (LUT-LLM's
 * `ccu_fp32.h`).
 */
export const farthest = Math.fround(3e20);

/**
 * The nearest centroid of every position of every token, by Chebyshev distance `max_i |x_i − c_i|` in float32; the first
 * of equally near ones. The reference of the native kernel.
 *
 * @param input `[tokens, K]`, finite.
 * @param codebooks `[P, centroids, vector]` with P = K / vector, 1 to 256 centroids.
 * @returns `[P, tokens]`.
 */
export function nearestCentroids(input: Matrix, codebooks: Float32Array, vector: number): Uint8Array {
  const { rows: tokens, columns, data } = input;
  const positions = columns / vector;
  const perPosition = codebooks.length / positions;
  const ids = new Uint8Array(positions * tokens);
  for (let position = 0; position < positions; position++) {
    const first = position * perPosition;
    for (let token = 0; token < tokens; token++) {
      const x = token * columns + position * vector;
      let nearest = farthest;
      for (let at = first; at < first + perPosition; at += vector) {
        const distance = chebyshev(data, x, codebooks, at, vector);
        if (distance < nearest) {
          nearest = distance;
          ids[position * tokens + token] = (at - first) / vector;
        }
      }
    }
  }
  return ids;
}

/** `max_i |a_i − b_i|`, float32. */
export function chebyshev(a: Float32Array, at: number, b: Float32Array, bt: number, vector: number): number {
  let distance = 0;
  for (let i = 0; i < vector; i++)
    distance = Math.max(distance, Math.abs(Math.fround(a[at + i] - b[bt + i])));
  return distance;
}
