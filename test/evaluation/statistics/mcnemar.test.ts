import fc from "fast-check";
import { expect, test } from "vitest";
import { mcnemar } from "../../../src/evaluation/statistics/mcnemar.js";

/** By the definition, in exact whole numbers: 2 Σ_{i ≤ min} C(n, i) / 2^n, at most 1. */
function byDefinition(a: number, b: number): number {
  const n = a + b;
  let [binomial, tail] = [1n, 0n];
  for (let i = 0; i <= Math.min(a, b); i++) {
    tail += binomial;
    binomial = (binomial * BigInt(n - i)) / BigInt(i + 1);
  }
  const scale = 10n ** 20n;
  return Math.min(1, Number((2n * tail * scale) / 2n ** BigInt(n)) / 1e20);
}

test("worked by hand: 1 against 5", () => {
  // 2 (C(6,0) + C(6,1)) / 2⁶ = 14 / 64
  expect(mcnemar(1, 5)).toBeCloseTo(14 / 64, 15);
  expect(mcnemar(5, 1)).toBe(mcnemar(1, 5));
});

test("no discordant examples, or as many of both, tell nothing", () => {
  expect(mcnemar(0, 0)).toBe(1);
  expect(mcnemar(40, 40)).toBe(1);
});

test("it is the binomial distribution's, summed in whole numbers", () => {
  fc.assert(
    fc.property(fc.nat(150), fc.nat(150), (a, b) => {
      expect(mcnemar(a, b)).toBeCloseTo(byDefinition(a, b), 11);
    }),
  );
});

test("thousands of discordant examples neither overflow nor vanish", () => {
  expect(mcnemar(3000, 3100)).toBeCloseTo(byDefinition(3000, 3100), 9);
  expect(mcnemar(5000, 5400) / byDefinition(5000, 5400)).toBeCloseTo(1, 9);
  expect(mcnemar(0, 1000)).toBeCloseTo(2 ** -999, 310);
  expect(mcnemar(0, 1000) / 2 ** -999).toBeCloseTo(1, 9);
});
