import { expect, test } from "vitest";
import { MeanOfTokens, missingMean, withoutCorrection } from "../../src/quantizers/bias-correction.js";
import { type PlanesScheme, tritsOutline } from "../../src/schemes/planes.js";
import { scaleGrid } from "../../src/schemes/scale-grid.js";
import { matrix } from "../../src/tensor/matrix.js";

const weight = matrix(2, 3, Float32Array.of(1, 2, 3, -1, 0.5, 4));
const mean = Float64Array.of(10, 1, 0.5);

/** Trits of two planes: weights 1, 3 and 4 of the first and of the second plane are zero, of the others but one. */
const planes: PlanesScheme = {
  ...tritsOutline(2, scaleGrid(2, 3, "row")),
  codes: Int8Array.of(0, 1, 0, 0, 1, 1, 0, 0, 1, 0, -1, 0),
  scales: Float32Array.of(2, 2, 1, 1),
};

test("what lacks on the mean is W E[x] less the mean of what the quantized linear gives", async () => {
  const found = await missingMean("own", weight, planes, mean, async () => Float64Array.of(10, -10));
  // W E[x] = 10 + 2 + 1.5 and −10 + 0.5 + 2.
  expect([...found]).toEqual([3.5, 2.5]);
});

test("of the dead zone only weights count whose trits are zero in every plane; outputs are not asked for", async () => {
  const found = await missingMean("dead-zone", weight, planes, mean, () =>
    Promise.reject(new Error("asked")),
  );
  expect([...found]).toEqual([10, -10]);
});

test("only trits have a dead zone", () => {
  expect(withoutCorrection(planes, "dead-zone")).toBe(null);
  expect(withoutCorrection({ ...planes, alphabet: "signs" }, "dead-zone")).toMatch(/no trits/);
  expect(withoutCorrection({ ...planes, alphabet: "signs" }, "float")).toBe(null);
});

test("a mean is that of all tokens of all batches but the first of each window", () => {
  const tokens = new MeanOfTokens(2, 2);
  expect(() => tokens.value).toThrow(/no tokens/);
  tokens.add(matrix(2, 2, Float32Array.of(100, 100, 1, -2)));
  tokens.add(matrix(4, 2, Float32Array.of(100, 100, 2, 0, 100, 100, 6, 5)));
  expect([...tokens.value]).toEqual([3, 1]);
});
