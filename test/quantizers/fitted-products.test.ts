import { describe, expect, test } from "vitest";
import type { LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import {
  type Factors,
  type FittedProducts,
  fitProducts,
  productsOfPart,
} from "../../src/quantizers/fitted-products.js";
import { stack } from "../../src/quantizers/stacked-linears.js";
import { matrix } from "../../src/tensor/matrix.js";
import { nativeKernels, reference } from "../kernels/every-path.js";
import { integers } from "../targets/random-weights.js";

const [vector, inputs, centroids, columns, positions, tokens] = [2, 4, 3, 12, 6, 50];
const task = { vector, inputs, centroids, bits: 4, refit: true } as const;

describe("entries that are only rounded", () => {
  const factors = randomFactors(1);
  const rounded = fitProducts(factors, { ...task, refit: false }, reference);

  test("are the levels nearest to the centroids' products", async () => {
    const { entries, grid } = await rounded;
    const { blocks } = factors.stacked;
    for (const [at, entry] of entries.entries()) {
      const [weight, input] = [at % centroids, Math.floor(at / centroids) % inputs];
      const table = Math.floor(at / centroids / inputs);
      const [position, block] = [Math.floor(table / blocks), table % blocks];
      let product = 0;
      for (let i = 0; i < vector; i++)
        product +=
          factors.inputCodebooks[(position * inputs + input) * vector + i] *
          factors.codebooks[(table * centroids + weight) * vector + i];
      const errors = Array.from({ length: 16 }, (_, level) =>
        Math.abs(grid.minimums[block] + level * grid.steps[block] - product),
      );
      expect(errors[entry]).toBeLessThan(Math.min(...errors) + 1e-5);
    }
  });

  test("share levels in a linear with one scale, in no other", async () => {
    const { steps } = (await rounded).grid;
    expect(steps[0]).toBe(steps[1]); // the first linear's
    expect(new Set(steps).size).toBe(3); // of the second each block has a scale
  });
});

describe("fitted entries", () => {
  test("leave less of the float model's outputs than rounded ones", async () => {
    for (const seed of [2, 3, 4]) {
      const factors = randomFactors(seed);
      const rounded = await fitProducts(factors, { ...task, refit: false }, reference);
      const fitted = await fitProducts(factors, task, reference);
      expect(energy(missing(factors, fitted))).toBeLessThan(0.8 * energy(missing(factors, rounded)));
    }
  });

  test.each(nativeKernels)("are the same on $name", async ({ native }) => {
    const factors = randomFactors(5);
    expect(await fitProducts(factors, task, native)).toEqual(await fitProducts(factors, task, reference));
  });
});

test("a part's products give its magnitudes times its entries' sums", async () => {
  const factors = randomFactors(7);
  const { stacked, moments, ids } = factors;
  const products = await fitProducts(factors, task, reference);
  const wanted = sums(factors, products);
  for (const part of stacked.parts) {
    const { entries, scales, biases } = productsOfPart(products, stacked, part, vector);
    for (let row = 0; row < part.rows; row++) {
      const block = Math.floor((row * part.blocks) / part.rows);
      const run = Math.floor((row * scales.length) / part.rows);
      for (let token = 0; token < tokens; token++) {
        let level = 0;
        for (let position = 0; position < positions; position++) {
          const input = (moments.sample.ids as Uint8Array)[position * tokens + token];
          const id = ids[position * stacked.rows + part.firstRow + row];
          level += entries[((position * part.blocks + block) * inputs + input) * centroids + id];
        }
        const sum = wanted[(part.firstRow + row) * tokens + token];
        expect(level * scales[run] - biases[run]).toBeCloseTo(part.magnitudes[run] * sum, 3);
      }
    }
  }
});

/** `[N, T]`: sums of the entries as floats, in the stacked weights' magnitudes. */
function sums({ stacked, moments, ids }: Factors, { entries, grid }: FittedProducts): number[] {
  const { rows, blocks, blockOfRow } = stacked;
  return Array.from({ length: rows * tokens }, (_, at) => {
    const [row, token] = [Math.floor(at / tokens), at % tokens];
    const block = blockOfRow[row];
    let sum = 0;
    for (let position = 0; position < positions; position++) {
      const input = (moments.sample.ids as Uint8Array)[position * tokens + token];
      const id = ids[position * rows + row];
      const level = entries[((position * blocks + block) * inputs + input) * centroids + id];
      sum += grid.minimums[block] + grid.steps[block] * level;
    }
    return sum;
  });
}

/** `[N, T]`: what they lack of the float weights' products with the float inputs. */
function missing(factors: Factors, products: FittedProducts): number[] {
  const { stacked, moments } = factors;
  return sums(factors, products).map((sum, at) => {
    const [row, token] = [Math.floor(at / tokens), at % tokens];
    let product = 0;
    for (let k = 0; k < columns; k++)
      product += stacked.weights[row * columns + k] * moments.sample.float.data[token * columns + k];
    return product - sum;
  });
}

function energy(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/**
 * A linear of one scale in two blocks, and one of two blocks with a scale each; ids as they come, so that fits have
 * work.
 */
function randomFactors(seed: number): Factors {
  const next = integers(seed);
  const values = (length: number) => Float32Array.from({ length }, () => (next(2001) - 1000) / 500);
  const linear = (name: string, rows: number): LinearToFit => ({
    ...{ name, rows, columns, attention: null },
    weight: matrix(rows, columns, values(rows * columns)),
  });
  const stacked = stack([linear("one", 12), linear("two", 8)], ({ name }) => ({
    blocks: 2,
    runs: name === "one" ? 1 : 2,
    shared: false,
  }));
  return {
    stacked,
    ids: Uint8Array.from({ length: positions * stacked.rows }, () => next(centroids)),
    codebooks: values(positions * stacked.blocks * centroids * vector),
    inputCodebooks: values(positions * inputs * vector),
    moments: {
      second: new Float64Array(0), // fits of tables need the sample only
      cross: new Float64Array(0),
      sample: {
        float: matrix(tokens, columns, values(tokens * columns)),
        ids: Uint8Array.from({ length: positions * tokens }, () => next(inputs)),
      },
    },
  };
}
