import { expect, test } from "vitest";
import { randomStream } from "../../src/kernels/random.js";

test("numbers are those of SplitMix32 with Hash Prospector's mixer, by whole numbers of any size", () => {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  const mixed = (value: bigint) => {
    let x = word(value);
    x = word((x ^ (x >> 16n)) * 0x21f0aaadn);
    x = word((x ^ (x >> 15n)) * 0x735a2d97n);
    return x ^ (x >> 15n);
  };
  for (const keys of [[0], [1, 2, 3], [2 ** 32 - 1, 7], [12345678, 0, 0, 9]]) {
    let state = keys.reduce((before, key) => mixed((before ^ BigInt(key)) + 0x9e3779b9n), 0n);
    const expected = Array.from({ length: 5 }, () => {
      state = word(state + 0x9e3779b9n);
      return Number(mixed(state)) / 2 ** 32;
    });
    const random = randomStream(...keys);
    expect(Array.from({ length: 5 }, random)).toEqual(expected);
  }
});

test("each key makes another stream, and their order counts", () => {
  const firsts = [[], [0], [1], [0, 0], [0, 1], [1, 0], [1, 1]].map((keys) => randomStream(...keys)());
  expect(new Set(firsts).size).toBe(firsts.length);
});

test("numbers lie evenly from 0 to below 1, also the first of neighbouring streams", () => {
  const stream = randomStream(5);
  for (const numbers of [
    Array.from({ length: 16000 }, stream),
    Array.from({ length: 16000 }, (_, key) => randomStream(3, key)()),
  ]) {
    const counts = new Array<number>(16).fill(0);
    for (const number of numbers) counts[Math.floor(number * 16)]++;
    // χ² of 15 degrees of freedom is above 38 once in a thousand.
    expect(counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(38);
  }
});
