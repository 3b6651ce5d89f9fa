/**
 * Uniform numbers in [0, 1) with 24 random bits, from a state of 32 bits: mulberry32 (Tommy Ettinger, public domain). The same
 * in C++, so that what is drawn does not depend on the kernel path.
 *
 * @param parts what the numbers are for: the seed, a position, a block …
 */
export function randomNumbers(...parts: readonly number[]): () => number {
  let state = 0x9e3779b9;
  for (const part of parts) state = scramble(state ^ scramble(part >>> 0));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    return (scramble(state) >>> 8) / 2 ** 24;
  };
}

function scramble(value: number): number {
  let z = value + 0x6d2b79f5;
  z = Math.imul(z ^ (z >>> 15), z | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return (z ^ (z >>> 14)) >>> 0;
}
