import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { scaleSums, type TableProduct, tableProduct, tableSums } from "../../src/kernels/table-product.js";
import { matrix } from "../../src/tensor/matrix.js";

/* What the product means; that the addon gives the same is in equal-bits.test.ts. */

/** Two positions of two inputs, four outputs in two blocks, two centroids each. */
const small: TableProduct = {
  rows: 4,
  columns: 4,
  vector: 2,
  centroids: 2,
  blocks: 2,
  inputs: 2,
  inputCodebooks: Float32Array.of(...[0, 0, 1, 1], ...[5, 5, -5, -5]),
  ids: Uint8Array.of(...[0, 1, 0, 1], ...[1, 1, 0, 0]),
  // [position][block][input][weight]
  entries: Uint8Array.of(...[1, 2, 3, 4], ...[5, 6, 7, 8], ...[10, 20, 30, 40], ...[50, 60, 70, 80]),
  scales: Float32Array.of(1, 0.5),
  biases: Float32Array.of(0, 10),
};

test("each output sums the entries that its ids pick in the rows that the input picks", () => {
  // Token 0 is nearest to centroid 1 and 0, token 1 to 0 and 1.
  expect(tableSums(Uint8Array.of(1, 0, 0, 1), 2, small)).toEqual(
    Uint32Array.of(...[3 + 20, 4 + 20, 7 + 50, 8 + 50], ...[1 + 40, 2 + 40, 5 + 70, 6 + 70]),
  );
});

test("sums are scaled and shifted by the run of their output", () => {
  const input = matrix(1, 4, Float32Array.of(0.9, 1.2, 4, 6));
  expect(tableProduct(input, small).data).toEqual(Float32Array.of(23, 24, 28.5 - 10, 29 - 10));
});

test("the product with the scale is rounded before the bias is subtracted", () => {
  const sum = 2 ** 24 - 1;
  const scale = Math.fround(1 + 2 ** -23); // the exact product, 2^24 + 1 − 2^-23, is no float32
  const one = { ...small, rows: 1, scales: Float32Array.of(scale), biases: Float32Array.of(2 ** 24) };
  expect(scaleSums(Uint32Array.of(sum), one).data).toEqual(Float32Array.of(0));
});

test("every path refuses what does not fit together", async () => {
  const { native, path } = openKernels();
  if (native === null) return;
  const kernels = openKernels({ path });
  const input = matrix(1, 4, new Float32Array(4));
  const wrong: readonly [Partial<TableProduct>, RegExp][] = [
    [{ ids: new Uint8Array(7) }, /ids has 7 elements, needed are 8/],
    [{ ids: Uint8Array.of(0, 1, 0, 2, 1, 1, 0, 0) }, /an id is beyond its codebook/],
    [{ entries: new Uint8Array(15) }, /entries has 15 elements, needed are 16/],
    [{ inputCodebooks: new Float32Array(9) }, /inputCodebooks has 9 elements, needed are 8/],
    [{ scales: new Float32Array(3) }, /scales do not divide the outputs/],
    [{ biases: new Float32Array(1) }, /biases has 1 elements, needed are 2/],
    [{ blocks: 3 }, /shape/],
    [{ inputs: 257 }, /shape/],
    [{ centroids: 257 }, /shape/],
  ];
  for (const [change, message] of wrong) {
    await expect(kernels.tableProduct(input, { ...small, ...change })).rejects.toThrow(message);
  }
  await expect(kernels.tableProduct(matrix(1, 3, new Float32Array(3)), small)).rejects.toThrow(
    /whole tokens/,
  );
});

describe.skipIf(openKernels().native === null)("the addon's search refuses", () => {
  const kernels = openKernels();
  const search = (columns: number, centroids: number, vector: number) =>
    kernels.nearestCentroids(matrix(2, columns), new Float32Array(columns * centroids), vector);

  test("vectors that do not divide the input, or that are longer than 8", async () => {
    await expect(search(9, 2, 2)).rejects.toThrow();
    await expect(search(18, 2, 9)).rejects.toThrow(/shape/);
  });

  test("no centroid, or more than a byte counts", async () => {
    await expect(search(4, 0, 2)).rejects.toThrow(/shape/);
    await expect(search(4, 257, 2)).rejects.toThrow(/shape/);
  });

  test("codebooks that are not one a position", async () => {
    await expect(kernels.nearestCentroids(matrix(2, 4), new Float32Array(9), 2)).rejects.toThrow(/codebooks/);
  });
});
