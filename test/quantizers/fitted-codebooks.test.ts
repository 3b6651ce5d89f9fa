import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { fitCodebooks } from "../../src/quantizers/fitted-codebooks.js";
import type { StackedLinears } from "../../src/quantizers/stacked-linears.js";
import { matrix } from "../../src/tensor/matrix.js";
import { integers } from "../targets/random-weights.js";
import { bellShaped, correlated, timesTransposed } from "./random-matrix.js";

const kernels = openKernels();
const [rows, columns, blocks, centroids, vector] = [20, 6, 2, 3, 2];
const next = integers(5);
const aim = bellShaped(rows, columns, 1);
const x = correlated(200, columns, 2);
const second = Float64Array.from(timesTransposed(transpose(x), transpose(x)).data, (sum) => sum / x.rows);
const stacked: StackedLinears = {
  ...{ rows, columns, blocks, weights: aim.data, parts: [] },
  blockOfRow: Int32Array.from({ length: rows }, (_, row) => (row < 8 ? 0 : 1)),
};
const ids = Uint8Array.from({ length: (columns / vector) * rows }, () => next(centroids));
const start = bellShaped(1, (columns / vector) * blocks * centroids * vector, 3).data;

function transpose({ rows: height, columns: width, data }: typeof aim) {
  return matrix(
    width,
    height,
    Float32Array.from(
      { length: data.length },
      (_, at) => data[(at % height) * width + Math.floor(at / height)],
    ),
  );
}

/** `Σ (aim − q) H (aim − q)ᵀ` with the damping of the fit. */
function errorOf(codebooks: Float32Array): number {
  let mean = 0;
  for (let i = 0; i < columns; i++) mean += second[i * (columns + 1)] / columns;
  let error = 0;
  for (let row = 0; row < rows; row++) {
    const missing = Array.from({ length: columns }, (_, column) => {
      const position = Math.floor(column / vector);
      const codebook = position * blocks + stacked.blockOfRow[row];
      const centroid = codebook * centroids + ids[position * rows + row];
      return aim.data[row * columns + column] - codebooks[centroid * vector + (column % vector)];
    });
    for (let i = 0; i < columns; i++) {
      error += 0.01 * mean * missing[i] ** 2;
      for (let j = 0; j < columns; j++) error += missing[i] * second[i * columns + j] * missing[j];
    }
  }
  return error;
}

const fitted = await fitCodebooks(aim.data, stacked, second, { ids, codebooks: start }, vector, kernels);

test("brings outputs much nearer than where it started", () => {
  expect(errorOf(fitted)).toBeLessThan(0.5 * errorOf(start));
});

test("again and again comes to where no value of any centroid can be changed for the better", async () => {
  let codebooks = fitted;
  for (let i = 0; i < 40; i++)
    codebooks = await fitCodebooks(aim.data, stacked, second, { ids, codebooks }, vector, kernels);
  const least = errorOf(codebooks);
  expect(least).toBeLessThanOrEqual(errorOf(fitted));
  for (let at = 0; at < codebooks.length; at++) {
    for (const step of [-0.02, 0.02]) {
      const moved = codebooks.slice();
      moved[at] += step;
      expect(errorOf(moved)).toBeGreaterThanOrEqual(least);
    }
  }
});

test("leaves what it was given", () => {
  const copy = start.slice();
  expect(start).toEqual(copy);
  expect(fitted).not.toEqual(start);
});
