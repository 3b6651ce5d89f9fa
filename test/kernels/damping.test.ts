import { expect, test } from "vitest";
import { damped, dampedDiagonal } from "../../src/kernels/damping.js";

test("a share of the mean second moment is added to the diagonal alone", () => {
  const second = Float64Array.of(2, 1, 1, 6);
  expect([...damped(second, 2, 0.25)]).toEqual([3, 1, 1, 7]);
  expect([...second]).toEqual([2, 1, 1, 6]);
});

test("an input that is always zero counts as 1, and not in the mean", () => {
  const second = Float64Array.of(2, 0, 1, 0, 0, 0, 1, 0, 6);
  expect([...dampedDiagonal(second, 3, 0.25)]).toEqual([3, 2, 7]);
});

test("of inputs that are all zero the mean is 1", () => {
  expect([...dampedDiagonal(new Float64Array(4), 2, 0.25)]).toEqual([1.25, 1.25]);
});
