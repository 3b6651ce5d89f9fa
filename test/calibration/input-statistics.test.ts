import { describe, expect, test } from "vitest";
import { addInput, noInputs, statisticsOf } from "../../src/calibration/input-statistics.js";
import { openKernels } from "../../src/kernels/open.js";
import { matrix } from "../../src/tensor/matrix.js";
import { integers } from "../targets/random-weights.js";

const kernels = openKernels();

describe("statistics of an input", () => {
  const [tokens, size] = [150, 7];
  const next = integers(3);
  const all = Float32Array.from({ length: tokens * size }, () => next(2001) / 250 - 4);
  const batches = [all.subarray(0, 100 * size), all.subarray(100 * size)];

  async function measured(second: boolean) {
    const sums = noInputs(size, second);
    for (const batch of batches) await addInput(matrix(batch.length / size, size, batch), sums, kernels);
    return statisticsOf(sums);
  }

  test("are those of a plain sum over the tokens of all batches", async () => {
    const { second, ...means } = await measured(true);
    const column = (channel: number) => Array.from({ length: tokens }, (_, t) => all[t * size + channel]);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / tokens;
    expect(means.tokens).toBe(tokens);
    for (let i = 0; i < size; i++) {
      expect(means.mean[i]).toBeCloseTo(mean(column(i)), 6);
      expect(means.meanMagnitude[i]).toBeCloseTo(mean(column(i).map(Math.abs)), 5);
      expect(means.meanSquare[i]).toBeCloseTo(mean(column(i).map((x) => x * x)), 5);
      expect(means.largest[i]).toBe(Math.max(...column(i).map(Math.abs)));
      for (let j = 0; j < size; j++) {
        const products = column(i).map((x, t) => x * column(j)[t]);
        expect(second!.data[i * size + j]).toBeCloseTo(mean(products), 4);
        expect(second!.data[i * size + j]).toBe(second!.data[j * size + i]);
      }
    }
  });

  test("have no second moments where nobody asked for them", async () => {
    const { second, ...means } = await measured(false);
    const { second: _, ...same } = await measured(true);
    expect(second).toBeNull();
    expect(means).toEqual(same);
  });

  test.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -3e20, // whose square float32 cannot hold
  ])("have a mean square that is not finite at the channel of %s alone", async (value) => {
    const sums = noInputs(3, false);
    await addInput(matrix(1, 3, Float32Array.of(1, value, 2)), sums, kernels);
    expect([...statisticsOf(sums).meanSquare].map(Number.isFinite)).toEqual([true, false, true]);
  });
});
