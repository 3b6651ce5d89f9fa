import { describe, expect, test } from "vitest";
import {
  bothCentroids,
  inputCentroids,
  loadedBytes,
  type Shape,
  weightCentroids,
} from "../../../src/targets/lut-llm/representations.js";

/** Published setting: v = 2, c_w = 16, c_a = 64, blocks of 512 outputs, INT8 entries. */
const shapeOf = (rows: number, columns: number): Shape => ({
  ...{ rows, columns, vector: 2, centroids: 16, inputs: 64, blocks: rows / 512, entryBits: 8 },
  ...{ shareOfBlock: 1, shareOfInput: 1 },
});
const square = shapeOf(2048, 2048);

describe("bytes of a linear of 2048 × 2048, counted array by array", () => {
  test("centroids of weights: 1024 · 4 codebooks of 16 pairs of floats, and half a byte a pair of weights", () => {
    expect(weightCentroids(square)).toMatchObject({ tables: 0, codebooks: 4096 * 16 * 8, ids: 1024 * 1024 });
  });

  test("centroids of inputs: 64 entries for each pair of weights, and 1024 codebooks of 64 pairs", () => {
    expect(inputCentroids(square)).toMatchObject({ tables: 2 ** 21 * 64, codebooks: 1024 * 64 * 8, ids: 0 });
  });

  test("both: as many table entries as weights", () => {
    expect(bothCentroids(square)).toMatchObject({
      ...{ tables: 2048 * 2048, codebooks: 1024 * 64 * 8, ids: 1024 * 1024 },
    });
    expect(bothCentroids({ ...square, entryBits: 4 }).tables).toBe(1024 * 2048);
  });
});

test("lookups take about a quarter of the arithmetic of multiplications", () => {
  const [multiplied, lookedUp] = [weightCentroids(square).arithmetic, bothCentroids(square).arithmetic];
  expect(multiplied).toBe(2 * 2048 * 2048);
  expect(lookedUp).toBe(1024 * 2048 + 2 * 2048 * 64);
  expect(multiplied / lookedUp).toBeCloseTo(4, 0);
});

test("what several linears have in common counts by their shares", () => {
  const q = { ...shapeOf(2048, 2048), blocks: 8, shareOfBlock: 1 / 2, shareOfInput: 1 / 2 };
  const k = { ...shapeOf(1024, 2048), blocks: 8, shareOfBlock: 1 / 4, shareOfInput: 1 / 4 };
  for (const of of [weightCentroids, inputCentroids, bothCentroids]) {
    const parts = loadedBytes(of(q)) + 2 * loadedBytes(of(k));
    expect(parts).toBe(loadedBytes(of(shapeOf(4096, 2048))));
  }
});

// Of the paper's example, whose setting is not known to us. docs/estimate.md says these.
describe("beside the paper's worked example: weights 1090, inputs 8256, both 569 cycles", () => {
  test("inputs alone take 8256 cycles for M = D = 1024 at 4096 bytes a cycle; the others do not fit there", () => {
    const shape = shapeOf(1024, 1024);
    const cycles = [weightCentroids, inputCentroids, bothCentroids].map(
      (of) => loadedBytes(of(shape)) / 4096,
    );
    expect(cycles).toEqual([96, 8256, 384]);
  });

  test("weights alone take 1308 cycles for M = 6144, D = 2048 at 819 GB/s and 227 MHz, 1090 with codebooks halved", () => {
    const { codebooks, ids } = weightCentroids(shapeOf(6144, 2048));
    const bytesPerCycle = 819e9 / 227e6;
    expect((codebooks + ids) / bytesPerCycle).toBeCloseTo(1308, 0);
    expect((codebooks / 2 + ids) / bytesPerCycle).toBeCloseTo(1090, 0);
  });
});
