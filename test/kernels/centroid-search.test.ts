import { expect, test } from "vitest";
import { nearestCentroids } from "../../src/kernels/centroid-search.js";
import { matrix } from "../../src/tensor/matrix.js";

/* What the search means; that the addon gives the same is in equal-bits.test.ts. */

test("the nearest centroid is the one whose farthest coordinate is nearest", () => {
  const input = matrix(1, 2, Float32Array.of(0, 0));
  // 2.5 is less than 3, although by Euclid's distance the second centroid is farther: 3.5.
  expect(nearestCentroids(input, Float32Array.of(3, 0, 2.5, 2.5), 2)).toEqual(Uint8Array.of(1));
});

test("of equally near centroids the first counts", () => {
  const input = matrix(2, 2, Float32Array.of(0, 0, 1, 1));
  expect(nearestCentroids(input, Float32Array.of(5, 5, 1, 0, 0, 1, 1, -1), 2)).toEqual(Uint8Array.of(1, 1));
});

test("positions have codebooks of their own, and ids are kept by position", () => {
  const input = matrix(2, 4, Float32Array.of(0, 0, 9, 9, 9, 9, 0, 0));
  const codebooks = Float32Array.of(0, 0, 9, 9, 9, 9, 0, 0); // the second is the first turned round
  expect(nearestCentroids(input, codebooks, 2)).toEqual(Uint8Array.of(0, 1, 0, 1));
});

test("centroids as far as 3e20 are not found: the first is meant", () => {
  const input = matrix(1, 1, Float32Array.of(3e38));
  expect(nearestCentroids(input, Float32Array.of(0, -1, 1), 1)).toEqual(Uint8Array.of(0));
});
