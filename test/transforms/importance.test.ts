import { expect, test } from "vitest";
import { matrix } from "../../src/tensor/matrix.js";
import { addSquares, groupImportance, inputImportance } from "../../src/transforms/importance.js";

test("squares of each column are added to those before", () => {
  const sums = Float64Array.of(100, 0);
  addSquares(matrix(3, 2, Float32Array.of(1, 2, -3, 4, 0, 0.5)), sums);
  expect([...sums]).toEqual([110, 20.25]);
});

test("a channel matters by its inputs and by the weights that they meet", () => {
  const importance = inputImportance(Float32Array.of(4, 1, 0), Float64Array.of(2, 8, 5));
  expect(Math.exp(importance[0])).toBeCloseTo(8, 12);
  expect(importance[0]).toBe(importance[1]);
  expect(importance[2]).toBe(Number.NEGATIVE_INFINITY);
});

test("a group's channels matter by all inputs that they are: every run of each, but no outputs and no other tensors", () => {
  const group = {
    name: "values",
    size: 2,
    rotatable: false,
    places: [
      { tensor: "v", along: "rows", firsts: [0] },
      { tensor: "o", along: "columns", firsts: [2, 4] },
      { tensor: "head", along: "columns", firsts: [0] },
    ],
  } as const;
  const importances = new Map([
    ["v", Float64Array.of(50, 60)],
    ["o", Float64Array.of(1, 2, 3, 4, 5, 6)],
  ]);
  expect([...groupImportance(group, importances)]).toEqual([3 + 5, 4 + 6]);
});
