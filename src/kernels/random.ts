/**
 * Uniform numbers in [0, 1) with 32 random bits, from a stream that `keys` name: SplitMix32, a Weyl sequence of 32 bits
 * through a mixer. Streams are named by what is drawn from them, so the order of the work changes nothing. The reference of
 * `native/kernels/random.hpp`.
 *
 * @param keys whole numbers, of which the low 32 bits count: the seed, a position, a block …
 */
export function randomStream(...keys: readonly number[]): () => number {
  let state = 0;
  for (const key of keys) state = mixed((state ^ key) + weyl);
  return () => {
    state = (state + weyl) | 0;
    return mixed(state) / 2 ** 32;
  };
}

const weyl = 0x9e3779b9 | 0; // 2^32 / the golden ratio

/** Hash Prospector's mixer of lowest bias with two multiplications (github.com/skeeto/hash-prospector). */
function mixed(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}
