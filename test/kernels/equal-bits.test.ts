import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KernelPath } from "../../src/kernels/kernels.js";
import { addonState, openKernels } from "../../src/kernels/open.js";
import type { TableProduct } from "../../src/kernels/table-product.js";
import { floatDtypes } from "../../src/tensor/dtype.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";

const reference = openKernels({ path: "reference" });
const paths = openKernels().native?.paths() ?? [];
const each = paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads })));

/** Weights of several scales, with exact ties (multiples of 1/8), zeros and outliers among them. */
const weights = (group: number) =>
  fc
    .array(
      fc.oneof(
        fc.float({ min: -4, max: 4, noNaN: true }),
        fc.integer({ min: -16, max: 16 }).map((eighths) => eighths / 8),
        fc.constant(0),
        fc.float({ min: Math.fround(-1e-6), max: Math.fround(1e-6), noNaN: true }),
      ),
      { minLength: group, maxLength: 40 * group },
    )
    .map((values) => Float32Array.from(values.slice(0, values.length - (values.length % group))));

/** Whole numbers below a bound, the same for the same seed. */
function numbers(seed: number) {
  let state = seed >>> 0;
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Quarters from −4 to 4: many points lie as near to one centroid as to another, and many are equal. */
function quarters(length: number, next: (below: number) => number): Float32Array {
  return Float32Array.from({ length }, () => next(33) / 4 - 4);
}

/** A table of rising values around zero. */
function rising(length: number, next: (below: number) => number): readonly number[] {
  let value = -next(length) / 4;
  return Array.from({ length }, () => {
    value += (1 + next(8)) / 16;
    return value;
  });
}

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const vector = fc.integer({ min: 1, max: 8 });

/** Products of any shape, and an input of them. */
const product = fc
  .record({
    seed,
    vector: fc.oneof(fc.constant(2), vector),
    positions: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 250, max: 350 })),
    centroids: fc.oneof(fc.constant(16), fc.integer({ min: 1, max: 16 }), fc.integer({ min: 17, max: 256 })),
    blocks: fc.integer({ min: 1, max: 3 }),
    blockRows: fc.integer({ min: 1, max: 50 }),
    inputs: fc.oneof(fc.constant(64), fc.integer({ min: 1, max: 256 })),
    tokens: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 17, max: 33 })),
    scales: fc.constantFrom("one", "a block", "an output"),
  })
  .map((shape): readonly [Matrix, TableProduct] => {
    const { vector, positions, centroids, blocks, blockRows, inputs, tokens } = shape;
    const next = numbers(shape.seed);
    const rows = blocks * blockRows;
    const columns = positions * vector;
    const scales = { one: 1, "a block": blocks, "an output": rows }[shape.scales];
    const product = {
      ...{ rows, columns, vector, centroids, blocks, inputs },
      inputCodebooks: quarters(columns * inputs, next),
      ids: Uint8Array.from({ length: positions * rows }, () => next(centroids)),
      entries: Uint8Array.from(
        { length: positions * blocks * inputs * centroids },
        () => 255 - next(3) * 127,
      ),
      scales: Float32Array.from({ length: scales }, () => next(1000) / 7),
      biases: Float32Array.from({ length: scales }, () => next(1000) / 3),
    };
    return [matrix(tokens, columns, quarters(tokens * columns, next)), product];
  });

test("the addon is built, or this machine has no compiler", () => {
  expect(addonState().addon === null ? [] : paths).toEqual(paths);
  if (addonState().addon !== null) expect(paths).toContain("portable");
});

describe.each(each)("native $path with $threads threads gives the reference's bits", ({ path, threads }) => {
  const native = openKernels({ path: path as KernelPath, threads });

  test.each(floatDtypes)("widen %s", async (dtype) => {
    const everyPattern = Uint8Array.from({ length: 1 << 17 }, (_, i) => (i >> 1) >> ((i & 1) * 8));
    const [a, b] = await Promise.all([
      native.widen(dtype, everyPattern),
      reference.widen(dtype, everyPattern),
    ]);
    const payloadFree = (values: Float32Array) =>
      values.map((value) => (Number.isNaN(value) ? Number.NaN : value));
    expect(payloadFree(a)).toEqual(payloadFree(b));
  });

  test("round-to-nearest, every bit width, symmetry and clipping", async () => {
    await fc.assert(
      fc.asyncProperty(
        weights(8),
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        fc.boolean(),
        async (w, bits, symmetric, clip) => {
          const task = { group: 8, bits, symmetric, clip };
          expect(await native.roundToNearest(w, task)).toEqual(await reference.roundToNearest(w, task));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test("ternary, every rule", async () => {
    await fc.assert(
      fc.asyncProperty(weights(6), fc.constantFrom("absmean", "twn", "twn-exact"), async (w, rule) => {
        expect(await native.ternary(w, 6, rule)).toEqual(await reference.ternary(w, 6, rule));
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  test("trit-planes, one to three planes", async () => {
    await fc.assert(
      fc.asyncProperty(weights(16), fc.integer({ min: 1, max: 3 }), async (w, planes) => {
        expect(await native.tritPlanes(w, 16, planes)).toEqual(await reference.tritPlanes(w, 16, planes));
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  test("binary coding, one to four planes, with and without an offset", async () => {
    const task = fc.record({
      planes: fc.integer({ min: 1, max: 4 }),
      offset: fc.boolean(),
      rounds: fc.constantFrom(0, 3, 15),
      powersOfTwo: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(weights(12), task, async (w, chosen) => {
        const all = { group: 12, ...chosen };
        expect(await native.bcq(w, all)).toEqual(await reference.bcq(w, all));
      }),
      { numRuns: 150, seed: 4 },
    );
  });

  test("shared tables of any number and length, with scales of all kinds", async () => {
    const task = fc.record({ seed, count: fc.integer({ min: 1, max: 5 }), powersOfTwo: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(weights(9), task, async (w, { seed, count, powersOfTwo }) => {
        const next = numbers(seed);
        const tables = Array.from({ length: count }, () => rising(2 + next(20), next));
        const all = { group: 9, tables, powersOfTwo };
        expect(await native.sharedTables(w, all)).toEqual(await reference.sharedTables(w, all));
      }),
      { numRuns: 150, seed: 8 },
    );
  });

  test("own tables of any number of values, weights of any importance, in rows of any length", async () => {
    const shape = fc.record({
      ...{ seed, groups: fc.integer({ min: 1, max: 3 }) },
      values: fc.oneof(fc.integer({ min: 2, max: 16 }), fc.constant(256)),
      group: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 700 })),
      coarse: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, groups, values, group, coarse }) => {
        const next = numbers(seed);
        const columns = groups * group;
        const w = coarse
          ? quarters(3 * columns, next)
          : Float32Array.from({ length: 3 * columns }, () => (next(2 ** 31) - 2 ** 30) / 2 ** 33);
        const importance = Float64Array.from({ length: columns }, () => Math.max(0, next(1000) - 200) / 7);
        const all = { group, values, importance };
        expect(await native.ownTables(w, all)).toEqual(await reference.ownTables(w, all));
      }),
      { numRuns: 60, seed: 9 },
    );
  });

  test("hqq, every bit width, errors in weights and in steps, small weights and large", async () => {
    const task = fc.record({
      bits: fc.integer({ min: 1, max: 8 }),
      shrink: fc.constantFrom("weights" as const, "steps" as const),
      group: fc.integer({ min: 1, max: 20 }),
    });
    const unit = fc.constantFrom(1, 1 / 64, 1000);
    await fc.assert(
      fc.asyncProperty(weights(20), task, unit, async (values, chosen, unit) => {
        const whole = values.length - (values.length % chosen.group);
        const w = values.slice(0, whole).map((value) => value * unit);
        expect(await native.hqq(w, chosen)).toEqual(await reference.hqq(w, chosen));
      }),
      { numRuns: 200, seed: 8 },
    );
  });

  test("the nearest centroids, vectors of one to eight, any number of tokens and centroids", async () => {
    const shape = fc.record({
      ...{ seed, vector },
      positions: fc.integer({ min: 1, max: 40 }),
      tokens: fc.integer({ min: 1, max: 150 }),
      centroids: fc.integer({ min: 1, max: 256 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, vector, positions, tokens, centroids }) => {
        const next = numbers(seed);
        const columns = positions * vector;
        const input = matrix(tokens, columns, quarters(tokens * columns, next));
        const codebooks = quarters(columns * centroids, next);
        expect(await native.nearestCentroids(input, codebooks, vector)).toEqual(
          await reference.nearestCentroids(input, codebooks, vector),
        );
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  test("products with tables", async () => {
    await fc.assert(
      fc.asyncProperty(product, async ([input, product]) => {
        const expected = await reference.tableProduct(input, product);
        expect(await native.tableProduct(input, product)).toEqual(expected);
        expect(await native.tableProduct(input, product)).toEqual(expected); // with ids that are laid out already
      }),
      { numRuns: 60, seed: 6 },
    );
  });

  test("products with tables of more positions and tokens than a task takes", async () => {
    const next = numbers(7);
    const [rows, positions, centroids, inputs] = [40, 2100, 16, 4];
    const product = {
      ...{ rows, columns: positions, vector: 1, centroids, blocks: 1, inputs },
      inputCodebooks: quarters(positions * inputs, next),
      ids: Uint8Array.from({ length: positions * rows }, () => next(centroids)),
      entries: new Uint8Array(positions * inputs * centroids).fill(255),
      ...{ scales: Float32Array.of(1), biases: Float32Array.of(0) },
    };
    for (const tokens of [1, 9, 135]) {
      const input = matrix(tokens, positions, quarters(tokens * positions, next));
      const { data } = await native.tableProduct(input, product);
      expect(data).toEqual(new Float32Array(tokens * rows).fill(positions * 255));
    }
  });
});
