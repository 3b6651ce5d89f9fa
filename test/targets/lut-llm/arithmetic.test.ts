import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KernelPath } from "../../../src/kernels/kernels.js";
import { openKernels } from "../../../src/kernels/open.js";
import { lutLlm } from "../../../src/targets/lut-llm/lut-llm.js";
import type { Signal } from "../../../src/targets/signal.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { randomInput, seeds } from "../random-weights.js";
import { randomTabled, shapesUpTo } from "./schemes.js";

const reference = openKernels({ path: "reference" });
const parameters = { ports: 16, fidelity: "linears" } as const;

const shapes = shapesUpTo({ blocks: 3, blockRows: 40, rowsOfLanes: 2 });

/** As the paper says it (arXiv 2511.06174): for every output the entry of its block, the nearest centroid and its id. */
function bruteForce(input: Matrix, weight: ReturnType<typeof randomTabled>): Float32Array {
  const { rows, columns, blocks, table, ids, inputCodebooks, products } = weight;
  const distance = (x: number, c: number) => Math.abs(Math.fround(x - c));
  const out = new Float32Array(input.rows * rows);
  for (let t = 0; t < input.rows; t++)
    for (let n = 0; n < rows; n++) {
      let sum = 0n;
      for (let p = 0; p < columns / 2; p++) {
        const [x, y] = input.data.subarray(t * columns + 2 * p);
        const distances = Array.from({ length: 64 }, (_, a) => {
          const [c, d] = inputCodebooks.subarray((p * 64 + a) * 2);
          return Math.max(distance(x, c), distance(y, d));
        });
        const nearest = distances.indexOf(Math.min(...distances));
        const block = Math.floor((n * blocks) / rows);
        sum += BigInt(products.entries[((p * blocks + block) * 64 + nearest) * 16 + ids[p * rows + n]]);
      }
      const run = Math.floor((n * table.scales) / rows);
      out[t * rows + n] = Math.fround(Number(sum) * products.scales[run]) - products.biases[run];
    }
  return out;
}

test("equals brute force over searches, entries and integer sums", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 1, max: 3 }), seeds, async (shape, tokens, seed) => {
      const weight = randomTabled(shape, seed);
      const input = randomInput(tokens, shape.columns, seed);
      const product = lutLlm.open(lutLlm.pack(weight, parameters), reference);
      expect([...(await product.multiply(input)).data]).toEqual([...bruteForce(input, weight)]);
    }),
    { numRuns: 25 },
  );
});

describe.each(["portable", "avx2", "avx512"] as const)("on %s", (path: KernelPath) => {
  const available = openKernels().native?.paths().includes(path) ?? false;

  test.skipIf(!available).each([1, 3])("%i threads give the bits of the reference", async (threads) => {
    const native = openKernels({ path, threads });
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 9 }), seeds, async (shape, tokens, seed) => {
        const packed = lutLlm.pack(randomTabled(shape, seed), parameters);
        const input = randomInput(tokens, shape.columns, seed);
        const [found, asked] = [native, reference].map((kernels) => lutLlm.open(packed, kernels));
        expect((await found.multiply(input)).data).toEqual((await asked.multiply(input)).data);
      }),
      { numRuns: 15 },
    );
  });
});

describe("known answers:", () => {
  test("an accumulator of 1000, a scale of 0.01 and entries from −0.5 on over 1024 positions are −502", async () => {
    const weight = randomTabled({ rows: 1, columns: 2048, blocks: 1, bits: 8, scales: 1 }, 1);
    weight.products.entries.fill(0);
    weight.products.entries.fill(1, 0, 1000 * 1024);
    weight.products.scales[0] = 0.01;
    weight.products.biases[0] = 512; // −0.5 · −1024
    const { multiply } = lutLlm.open(lutLlm.pack(weight, parameters), reference);
    const { data } = await multiply(randomInput(1, 2048, 1));
    expect([...data]).toEqual([-502]);
  });

  test("3072 positions of 255 are 783,360, 16 of them 4080; of 15 they are 46,080 and 240", () => {
    for (const [bits, row, sum] of [
      [8, 4080, 783_360],
      [4, 240, 46_080],
    ] as const) {
      const weight = randomTabled({ rows: 2, columns: 6144, blocks: 1, bits, scales: 1 }, 1);
      weight.products.entries.fill(2 ** bits - 1);
      const signals = traced(weight, randomInput(1, 6144, 1).data);
      expect(new Set(signals["row-sums"].values as Uint32Array)).toEqual(new Set([row]));
      expect(row).toBeLessThan(2 ** signals["row-sums"].format.bits);
      expect([...(signals.accumulators.values as Uint32Array)].slice(-2)).toEqual([sum, sum]);
      expect(sum).toBeLessThan(2 ** signals.accumulators.format.bits);
    }
  });

  test("the first of equally near centroids is found, by the larger of both distances", () => {
    const weight = randomTabled({ rows: 1, columns: 32, blocks: 1, bits: 8, scales: 1 }, 1);
    weight.inputCodebooks.fill(100);
    weight.inputCodebooks.set([3, 0], 2 * 9); // at 3 from the origin
    weight.inputCodebooks.set([2, 2], 2 * 20); // at 2, though farther by the root of squares
    weight.inputCodebooks.set([-2, 1], 2 * 21); // as near
    expect(traced(weight, new Float32Array(32))["input-ids"].values[0]).toBe(20);
  });
});

test("scaling rounds twice: no fused multiply and subtract", async () => {
  const weight = randomTabled({ rows: 1, columns: 32, blocks: 1, bits: 8, scales: 1 }, 1);
  weight.products.entries.fill(0);
  weight.products.entries.fill(3, 0, 1024);
  weight.products.scales[0] = 1 + 2 ** -23;
  weight.products.biases[0] = 3;
  const { multiply } = lutLlm.open(lutLlm.pack(weight, parameters), reference);
  const { data } = await multiply(matrix(1, 32));
  // 3 · (1 + 2⁻²³) = 3 + 1.5 · 2⁻²² is halfway between 3 + 2⁻²² and 3 + 2⁻²¹: the even one, before 3 is taken off
  expect(data[0]).toBe(2 ** -21);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "an input of %f is an error that names it: its lookup would give a number",
  async (value) => {
    const weight = randomTabled({ rows: 4, columns: 32, blocks: 1, bits: 8, scales: 1 }, 1);
    const packed = lutLlm.pack(weight, parameters);
    const input = randomInput(3, 32, 1);
    input.data[2 * 32 + 7] = value;
    await expect(lutLlm.open(packed, reference).multiply(input)).rejects.toThrow(/token 2, input 7/);
    expect(() => lutLlm.trace?.(packed, input.data.slice(64))).toThrow(/token 0, input 7/);
  },
);

describe("a trace", () => {
  test("has the output of the engine, and its signals follow from each other", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        const weight = randomTabled(shape, seed);
        const { rows, columns, blocks, table, ids, products } = weight;
        const input = randomInput(1, columns, seed);
        const signals = traced(weight, input.data);
        const { data } = await lutLlm.open(lutLlm.pack(weight, parameters), reference).multiply(input);
        expect([...(signals.output.values as Float32Array)]).toEqual([...data]);
        const fetched = signals["table-rows"].values;
        for (let row = 0; row < columns / 32; row++)
          for (let n = 0; n < rows; n++) {
            let sum = 0;
            for (let p = 16 * row; p < 16 * row + 16; p++)
              sum += fetched[(p * blocks + Math.floor((n * blocks) / rows)) * 16 + ids[p * rows + n]];
            expect(signals["row-sums"].values[row * rows + n]).toBe(sum);
            const before = row === 0 ? 0 : signals.accumulators.values[(row - 1) * rows + n];
            expect(signals.accumulators.values[row * rows + n]).toBe(before + sum);
          }
        for (let n = 0; n < rows; n++) {
          const bias = products.biases[Math.floor((n * table.scales) / rows)];
          expect(Math.fround(signals.scaled.values[n] - bias)).toBe(data[n]);
        }
      }),
      { numRuns: 15 },
    );
  });

  test("states shapes, and the hardware's widths", () => {
    const of = (bits: 4 | 8) => {
      const weight = randomTabled({ rows: 6, columns: 64, blocks: 2, bits, scales: 1 }, 1);
      return Object.values(traced(weight, new Float32Array(64))).map(({ name, format, shape, values }) => {
        expect(values).toHaveLength(shape.reduce((a, b) => a * b, 1));
        return [name, format.bits, ...shape];
      });
    };
    expect(of(8)).toEqual([
      ["input", 32, 64],
      ["input-ids", 6, 32],
      ["table-rows", 8, 32, 2, 16],
      ["row-sums", 12, 2, 6],
      ["accumulators", 22, 2, 6],
      ["scaled", 32, 6],
      ["output", 32, 6],
    ]);
    expect(of(4).map(([, bits]) => bits)).toEqual([32, 6, 4, 8, 18, 32, 32]);
  });
});

function traced(weight: ReturnType<typeof randomTabled>, token: Float32Array): Record<string, Signal> {
  const signals = lutLlm.trace?.(lutLlm.pack(weight, parameters), token) ?? [];
  return Object.fromEntries(signals.map((signal) => [signal.name, signal]));
}
