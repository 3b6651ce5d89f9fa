/** Repeatable draws: the same seed gives the same ones on every machine. */
export interface Chance {
  /** A whole number from 0 up to, not with, `bound`. */
  below(bound: number): number;
  oneOf<T>(items: readonly T[]): T;
  /** True once in so many times. */
  oncePer(times: number): boolean;
}

/** Steele and Lea's mix of a counter ("Fast splittable pseudorandom number generators", 2014), in 32 bits. */
export function chanceOf(seed: number): Chance {
  let counter = seed | 0;
  const next = () => {
    counter = (counter + 0x9e3779b9) | 0;
    let mixed = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const below = (bound: number) => Math.floor((next() / 2 ** 32) * bound);
  return { below, oneOf: (items) => items[below(items.length)], oncePer: (times) => below(times) === 0 };
}
