import { expect, test } from "vitest";
import type { InputStatistics } from "../../src/calibration/input-statistics.js";
import { openKernels } from "../../src/kernels/open.js";
import { matrix } from "../../src/tensor/matrix.js";
import { smoothquant } from "../../src/transforms/smoothquant.js";
import type { InputToScale } from "../../src/transforms/transform.js";

const kernels = openKernels();

/** Two linears of an input of three channels whose largest magnitudes are given. */
function toScale(largest: readonly number[], weights: readonly (readonly number[])[]): InputToScale {
  return {
    input: { linears: [], madeBy: "norm", runs: [] },
    statistics: { largest: Float32Array.from(largest) } as unknown as InputStatistics,
    linears: weights.map((values, at) => ({
      name: `linear ${at}`,
      weight: matrix(values.length / largest.length, largest.length, Float32Array.from(values)),
      approximate: null,
    })),
  };
}

test("a scale is the input's largest magnitude over that of all weights of the channel, by alpha", async () => {
  const input = toScale(
    [16, 1, 4],
    [
      [1, -2, 0.5, -4, 1, 0.25],
      [0.5, 8, -1],
    ],
  );
  const half = await smoothquant.fit(input, { alpha: 0.5 }, kernels);
  expect([...half]).toEqual([Math.fround(2), Math.fround(Math.sqrt(1 / 8)), Math.fround(2)]);
  const most = await smoothquant.fit(input, { alpha: 1 }, kernels);
  expect([...most]).toEqual([16, 1, 4]);
  const least = await smoothquant.fit(input, { alpha: 0 }, kernels);
  expect([...least]).toEqual([0.25, 0.125, 1]);
});

test("a channel without input or without weights has a finite, positive scale", async () => {
  const scales = await smoothquant.fit(toScale([0, 4, 0], [[1, 0, 0]]), { alpha: 0.5 }, kernels);
  expect(scales[0]).toBe(Math.fround(1e-5));
  expect(scales[1]).toBeCloseTo(2 / Math.sqrt(1e-5), 2);
  expect(scales[2]).toBe(Math.fround(1e-5));
});

test("takes inputs that come out of a norm, and no others", () => {
  const { input } = toScale([1], [[1]]);
  expect(smoothquant.takes(input, { alpha: 0.5 })).toBe(true);
  expect(smoothquant.takes({ ...input, madeBy: "linear" }, { alpha: 0.5 })).toBe(false);
});
