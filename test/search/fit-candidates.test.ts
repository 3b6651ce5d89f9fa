import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { outputError } from "../../src/search/fit-candidates.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped, correlated, timesTransposed } from "../quantizers/random-matrix.js";

const inputs = [correlated(40, 6, 1), correlated(25, 6, 2)];
const weight = bellShaped(5, 6, 3);
const rounded = matrix(
  5,
  6,
  weight.data.map((value) => Math.round(value * 2) / 2),
);
const productOf = (w: Matrix) => async (input: Matrix) => timesTransposed(input, w);
const outputs = inputs.map((input) => timesTransposed(input, weight));

/** tr(A H Aᵀ) with the second moments H = Σ x xᵀ of all inputs. */
function traceWithMoments(a: Float64Array): number {
  let trace = 0;
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j < 6; j++) {
      const moment = inputs.reduce(
        (sum, { rows, data }) =>
          sum +
          Array.from({ length: rows }, (_, t) => data[6 * t + i] * data[6 * t + j]).reduce((x, y) => x + y),
        0,
      );
      for (let row = 0; row < 5; row++) trace += a[6 * row + i] * moment * a[6 * row + j];
    }
  }
  return trace;
}

test("the error is tr(Δ H Δᵀ) over tr(W H Wᵀ), with the second moments H of the inputs", async () => {
  const difference = Float64Array.from(weight.data, (value, at) => rounded.data[at] - value);
  const expected = traceWithMoments(difference) / traceWithMoments(Float64Array.from(weight.data));
  const found = await outputError(outputs, productOf(rounded), inputs, "a");
  expect(found).toBeCloseTo(expected, 6);
});

test("the weight itself has none, one of zeros all", async () => {
  expect(await outputError(outputs, productOf(weight), inputs, "a")).toBe(0);
  expect(await outputError(outputs, productOf(matrix(5, 6)), inputs, "a")).toBeCloseTo(1, 6);
});

test("outputs that are not finite are refused by the linear's name", async () => {
  const infinite = matrix(
    5,
    6,
    weight.data.map((value, at) => (at === 3 ? Number.NaN : value)),
  );
  const error = await outputError(outputs, productOf(infinite), inputs, "model.a").catch((fault) => fault);
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toContain("model.a");
});
