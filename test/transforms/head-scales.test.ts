import { expect, test } from "vitest";
import { matrix } from "../../src/tensor/matrix.js";
import { addHeads, noHeads, scalesOf } from "../../src/transforms/head-scales.js";

test("a head's scale is Σr / Σr² of its root mean squares r", () => {
  const sums = noHeads(2);
  // Heads of two elements: r of the first is 5 / √2 and 0, of the second 1 and 3.
  addHeads(matrix(1, 4, Float32Array.of(3, 4, 1, -1)), 0, sums);
  addHeads(matrix(1, 4, Float32Array.of(0, 0, 3, 3)), 0, sums);
  expect(scalesOf(sums)[0]).toBeCloseTo(Math.SQRT2 / 5, 6);
  expect(scalesOf(sums)[1]).toBeCloseTo((1 + 3) / (1 + 9), 6);
});

test("no other scale brings scaled heads nearer to normed ones", () => {
  const x = matrix(
    50,
    8,
    Float32Array.from({ length: 400 }, (_, i) => Math.sin(i * i) * (1 + (i % 7))),
  );
  const sums = noHeads(1);
  addHeads(x, 1e-6, sums);
  const [scale] = scalesOf(sums);
  const error = (c: number) => {
    let sum = 0;
    for (let row = 0; row < 50; row++) {
      const head = x.data.subarray(row * 8, row * 8 + 8);
      const r = Math.sqrt(head.reduce((all, value) => all + value * value, 0) / 8 + 1e-6);
      for (const value of head) sum += (c * value - value / r) ** 2;
    }
    return sum;
  };
  expect(error(scale)).toBeLessThan(error(scale * 1.01));
  expect(error(scale)).toBeLessThan(error(scale * 0.99));
});

test("epsilon is part of the mean square", () => {
  const sums = noHeads(1);
  addHeads(matrix(1, 2, Float32Array.of(0, 0)), 4, sums);
  expect(scalesOf(sums)).toEqual(Float32Array.of(0.5));
});
