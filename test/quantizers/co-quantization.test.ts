import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import type { AttentionProjections, LinearToFit } from "../../src/quantizers/calibrated-quantizer.js";
import { type CoQuantizationOptions, coQuantization } from "../../src/quantizers/co-quantization.js";
import { represent } from "../../src/schemes/represent.js";
import { tableOf, type VectorsScheme } from "../../src/schemes/vectors.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, rowsOf } from "../../src/tensor/matrix.js";
import { bellShaped, correlated, squaredDistance, timesTransposed } from "./random-matrix.js";

const kernels = openKernels();
const tokens = 600;

const linear = (
  name: string,
  weight: Matrix,
  attention: AttentionProjections | null = null,
): LinearToFit => ({
  name,
  rows: weight.rows,
  columns: weight.columns,
  weight,
  attention,
});

/** The text in two batches; the quantized model sees what the float model sees. */
const inputsOf = (x: Matrix) => {
  const batches = [rowsOf(x, 0, 250), rowsOf(x, 250, x.rows)];
  return {
    quantized: batches,
    float: async function* () {
      yield* batches;
    },
  };
};

const quantized = (linears: LinearToFit[], x: Matrix, options: Partial<CoQuantizationOptions>, seed = 0) =>
  coQuantization.quantize(linears, inputsOf(x), coQuantization.options.parse(options), {
    seed,
    kernels,
  }) as Promise<readonly VectorsScheme[]>;

/** What a scheme computes. */
async function outputOf(scheme: VectorsScheme, x: Matrix): Promise<Matrix> {
  const table = tableOf(scheme);
  if (table) return kernels.tableProduct(x, table);
  const input = scheme.inputs
    ? await represent(
        x,
        { scheme: "centroids", vector: 2, centroids: scheme.inputs },
        scheme.inputCodebooks,
        kernels,
      )
    : x;
  return timesTransposed(input, dequantize(scheme));
}

const x = correlated(tokens, 16, 1);
const weight = bellShaped(24, 16, 2);
const wanted = timesTransposed(x, weight);
const errorOf = async (options: Partial<CoQuantizationOptions>) => {
  const [scheme] = await quantized([linear("o", weight)], x, { centroids: 4, inputs: 16, ...options });
  return squaredDistance((await outputOf(scheme, x)).data, wanted.data);
};

test("as many centroids as a group has outputs keep the weights exactly", async () => {
  const options = { centroids: 4, group: 4, inputs: "float", table: "none", compensation: false } as const;
  const [scheme] = await quantized([linear("o", weight)], x, { ...options, refit: false });
  const error = squaredDistance(dequantize(scheme).data, weight.data);
  expect(error).toBeLessThan(1e-9);
});

test("as many centroids as a pair of inputs has values keep the inputs exactly", async () => {
  const few = { ...x, data: x.data.map((value) => Math.sign(value) / 2) }; // four different pairs
  const options = { centroids: 8, group: 8, inputs: 4, table: "none", compensation: false } as const;
  const [scheme] = await quantized([linear("o", weight)], few, { ...options, refit: false });
  const out = await outputOf(scheme, few);
  expect(squaredDistance(out.data, timesTransposed(few, weight).data)).toBeLessThan(1e-6);
});

describe("each step brings the outputs nearer to the float model's:", () => {
  test("compensation", async () => {
    const plain = await errorOf({ table: "none", compensation: false, refit: false });
    expect(await errorOf({ table: "none", refit: false })).toBeLessThan(0.9 * plain);
  });

  test("codebooks fitted to outputs", async () => {
    const plain = await errorOf({ table: "none", compensation: false, refit: false });
    expect(await errorOf({ table: "none", compensation: false })).toBeLessThan(0.9 * plain);
  });

  test("tables fitted to outputs", async () => {
    const rounded = await errorOf({ table: 4, refit: false });
    expect(await errorOf({ table: 4 })).toBeLessThan(rounded);
  });

  test("eight bits of a table rather than four", async () => {
    expect(await errorOf({ table: 8 })).toBeLessThan(await errorOf({ table: 4 }));
  });
});

test("a table of eight bits computes nearly what float32 products do", async () => {
  const float = await errorOf({ table: "none", refit: false });
  expect(await errorOf({ table: 8, refit: false })).toBeLessThan(1.05 * float);
});

describe("queries, keys and values", () => {
  const attention = { rows: 16 + 8 + 8, keyValueHeads: 2, headSize: 4 };
  const projections = [16, 8, 8].map((rows, at) =>
    linear("qkv"[at], bellShaped(rows, 16, 10 + at), attention),
  );

  test("share the tables of their key-value heads, and have a scale for each head", async () => {
    const [q, k, v] = await quantized(projections, x, { centroids: 4, group: 16, inputs: 16 });
    expect([q, k, v].map(({ blocks }) => blocks)).toEqual([2, 2, 2]);
    expect(k.products?.entries).toEqual(q.products?.entries);
    expect(v.products?.entries).toEqual(q.products?.entries);
    expect([q, k, v].map(({ products }) => products?.scales.length)).toEqual([4, 2, 2]);
    for (const [at, scheme] of [q, k, v].entries()) {
      const exact = timesTransposed(x, projections[at].weight);
      const error = squaredDistance((await outputOf(scheme, x)).data, exact.data);
      const energy = squaredDistance(exact.data, new Float32Array(exact.data.length));
      expect(error / energy).toBeLessThan(0.2);
    }
  });

  test("have groups of their own where these are smaller than a head and there is no table", () => {
    const options = coQuantization.options.parse({ group: 4, centroids: 4, table: "none" });
    expect(coQuantization.outline(projections[0], options)).toMatchObject({ blocks: 4 });
    expect(coQuantization.outline(projections[1], options)).toMatchObject({ blocks: 2 });
  });

  test("with a table refuse a group smaller than a head, with the way out", () => {
    const options = coQuantization.options.parse({ group: 8 });
    expect(() => coQuantization.outline(projections[0], options)).toThrow(
      expect.objectContaining({ fix: "set group to 16 or more" }),
    );
  });
});

describe("is refused:", () => {
  const shape = { rows: 8, columns: 16, attention: null };

  test("an odd number of inputs", () => {
    const options = coQuantization.options.parse({});
    expect(() => coQuantization.outline({ ...shape, columns: 15 }, options)).toThrow(
      /15 inputs are no pairs/,
    );
  });

  test("a table without centroids of the input", () => {
    const options = coQuantization.options.parse({ inputs: "float" });
    expect(() => coQuantization.outline(shape, options)).toThrow(
      expect.objectContaining({ fix: "add `table: none`, or give `inputs` a number" }),
    );
  });
});

test("blocks are the fewest that divide a layer into groups of at most the group's size", () => {
  const blocksOf = (rows: number, group: number) =>
    coQuantization.outline({ rows, columns: 16, attention: null }, coQuantization.options.parse({ group }));
  expect(blocksOf(768, 512)).toMatchObject({ blocks: 2 });
  expect(blocksOf(6144, 512)).toMatchObject({ blocks: 12 });
  expect(blocksOf(100, 512)).toMatchObject({ blocks: 1 });
  expect(blocksOf(1030, 512)).toMatchObject({ blocks: 5 });
});

test("the same bytes on every path and with any number of threads; others of another seed", async () => {
  const few = correlated(64, 8, 3);
  const small = [linear("o", bellShaped(12, 8, 4))];
  const run = async (path: "reference" | undefined, threads: number, seed: number) =>
    coQuantization.quantize(
      small,
      {
        quantized: [few],
        float: async function* () {
          yield few;
        },
      },
      coQuantization.options.parse({ centroids: 3, inputs: 8 }),
      { seed, kernels: openKernels({ path, threads }) },
    );
  const once = await run(undefined, 1, 0);
  expect(await run(undefined, 2, 0)).toEqual(once);
  expect(await run("reference", 1, 0)).toEqual(once);
  expect(await run(undefined, 1, 1)).not.toEqual(once);
});
