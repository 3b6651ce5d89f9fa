import { expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { represent } from "../../src/schemes/represent.js";
import { matrix } from "../../src/tensor/matrix.js";

const kernels = openKernels();

test("an input as INT16 is nearer to itself than as INT8, each within half a step of its largest", async () => {
  const input = matrix(2, 3, Float32Array.of(0.3, -1, 0.77, 20, 0.01, -3));
  for (const [scheme, steps] of [["int8", 127] as const, ["int16", 32767] as const]) {
    const found = (await represent(input, { scheme, per: "token" }, null, kernels)).data;
    for (const [i, value] of input.data.entries()) {
      const half = (i < 3 ? 1 : 20) / steps / 2;
      expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(half * 1.001);
    }
  }
});

test("an input by centroids is the nearest of each position, the largest difference deciding", async () => {
  const codebooks = Float32Array.of(0, 0, 3, 3, /* second position */ 1, 1, -1, -1);
  const input = matrix(2, 4, Float32Array.of(1, 1.6, -5, 9, 1, 1.4, 0, 0));
  const scheme = { scheme: "centroids", vector: 2, centroids: 2 } as const;
  const { data } = await represent(input, scheme, codebooks, kernels);
  // (1, 1.6) is 2 from (3, 3) and 1.6 from (0, 0); (−5, 9) is 8 from (1, 1) and 10 from (−1, −1); (0, 0) is between.
  expect([...data]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
});
