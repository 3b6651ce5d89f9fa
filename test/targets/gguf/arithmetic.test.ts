import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KernelPath, kernelPaths } from "../../../src/kernels/kernels.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { GridScheme } from "../../../src/schemes/scheme.js";
import { dequantize } from "../../../src/schemes/weights.js";
import { roundToken } from "../../../src/targets/gguf/arithmetic.js";
import { type BlockTypeName, blockTypeNamed, blockTypeNames } from "../../../src/targets/gguf/blocks.js";
import { gguf } from "../../../src/targets/gguf/gguf.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const native = availablePaths();

function availablePaths(): readonly KernelPath[] {
  return kernelPaths.filter((path) => {
    try {
      return path !== "reference" && openKernels({ path }).native !== null;
    } catch {
      return false; // not on this processor
    }
  });
}

/** A weight that the type holds, with its extreme levels. */
function weightFor(type: BlockTypeName, rows: number, columns: number, seed: number): GridScheme {
  const granularity = blockTypeNamed(type).size;
  const bits = type === "q2_0" ? 2 : type === "q4_0" ? 4 : 8;
  if (type.startsWith("tq")) return randomPlanes({ rows, columns, granularity, planes: 1 }, seed);
  return randomInt({ rows, columns, granularity, bits, symmetric: true }, seed);
}

describe("an input is rounded", () => {
  test("in runs of 32 to max|x| / 127, halves away from zero", () => {
    const x = new Float32Array(64);
    x.set([127, 2.5, -2.5, 0.49999997, 1.5, -127]);
    x[40] = 0.01;
    const { codes, scales } = roundToken(x, blockTypeNamed("q4_0"));
    expect([...codes.subarray(0, 6)]).toEqual([127, 3, -3, 0, 2, -127]);
    expect(codes[40]).toBe(127);
    // 0.01 / 127 in FP16 is 1321 · 2^-24.
    expect([...scales]).toEqual([1, 1321 * 2 ** -24]);
  });

  test("in runs of 256 to the signed largest / −127, halves to even", () => {
    const x = new Float32Array(256);
    x.set([-254, 5, 3, 1, -3, 254]);
    const { codes, scales } = roundToken(x, blockTypeNamed("tq2_0"));
    // The first of the largest magnitude is −254: its code is −127 and the scale 2.
    expect([...codes.subarray(0, 6)]).toEqual([-127, 2, 2, 0, -2, 127]);
    expect([...scales]).toEqual([2]);
  });

  test("to zeros with a scale of 0 when it is zeros", () => {
    for (const type of blockTypeNames) {
      const { codes, scales } = roundToken(new Float32Array(256), blockTypeNamed(type));
      expect([...codes, ...scales].every((value) => value === 0)).toBe(true);
    }
  });
});

test("one block of q4_0: the codes' INT32 product, times the weight's scale, times the input's", async () => {
  const weight = randomInt({ rows: 1, columns: 32, granularity: 32, bits: 4, symmetric: true }, 1);
  weight.codes.fill(8).set([15, 0]);
  weight.scales[0] = 0.25;
  const x = new Float32Array(32);
  x.set([127, -63.5]);
  const out = await gguf.open(gguf.pack(weight, { type: "q4_0" }), reference).multiply(matrix(1, 32, x));
  // Codes 127 and −64, levels 7 and −8: 889 + 512 = 1401; scales 1/4 and 1.
  expect(out.data[0]).toBe(1401 / 4);
});

describe.each(blockTypeNames)("%s", (type) => {
  test("is the product of the dequantized weight within the input's rounding", async () => {
    const weight = weightFor(type, 5, 512, 3);
    const input = randomInput(3, 512, 4);
    const out = await gguf.open(gguf.pack(weight, { type }), reference).multiply(input);
    const dense = dequantize(weight).data;
    for (let token = 0; token < 3; token++) {
      const x = input.data.subarray(token * 512, (token + 1) * 512);
      const most = x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      for (let row = 0; row < 5; row++) {
        const w = dense.subarray(row * 512, (row + 1) * 512);
        const exact = w.reduce((sum, value, k) => sum + value * x[k], 0);
        // Half a step of max / 127 each, the scale in FP16, and float32 sums.
        const step = most / 127;
        const bound = w.reduce(
          (sum, value, k) => sum + Math.abs(value) * (step / 2 + Math.abs(x[k]) * 2 ** -10),
          0,
        );
        expect(Math.abs(out.data[token * 5 + row] - exact)).toBeLessThanOrEqual(bound);
      }
    }
  });

  test.runIf(native.length > 0)(
    "natively has the bits of the reference on every path and number of threads",
    async () => {
      const shape = fc.record({
        rows: fc.integer({ min: 1, max: 70 }),
        blocks: fc.integer({ min: 1, max: 3 }),
        tokens: fc.integer({ min: 1, max: 9 }),
      });
      await fc.assert(
        fc.asyncProperty(shape, seeds, async ({ rows, blocks, tokens }, seed) => {
          const columns = blocks * blockTypeNamed(type).size;
          const packed = gguf.pack(weightFor(type, rows, columns, seed), { type });
          const input = randomInput(tokens, columns, seed + 1);
          // Ties, zeros, one far outlier, and numbers whose scale FP16 cannot tell from 0.
          input.data.set([0.5, -0.5, 0, 1e5].slice(0, seed % 5));
          if (seed % 3 === 0) input.data.fill(1e-9, 0, columns);
          if (seed % 7 === 0) input.data.fill(1e-43, 0, columns);
          const expected = await gguf.open(packed, reference).multiply(input);
          for (const path of native) {
            for (const threads of [1, 3]) {
              const out = await gguf.open(packed, openKernels({ path, threads })).multiply(input);
              expect(new Uint32Array(out.data.buffer)).toEqual(new Uint32Array(expected.data.buffer));
            }
          }
        }),
        { numRuns: 25, seed: 1 },
      );
    },
  );

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38])(
    "names an input of %d",
    async (value) => {
      const packed = gguf.pack(weightFor(type, 3, 512, 1), { type });
      const input = randomInput(2, 512, 4);
      input.data[512 + 300] = value;
      for (const kernels of [reference, ...native.map((path) => openKernels({ path }))]) {
        const product = gguf.open(packed, kernels).multiply(input);
        if (value === 3e38 && type.startsWith("tq"))
          await expect(product).resolves.toBeDefined(); // Q8_K keeps float32 scales
        else await expect(product).rejects.toThrow(/the input of a packed linear holds .* at token 1/);
      }
    },
  );

  test("traces one token to the bits of its product", async () => {
    const packed = gguf.pack(weightFor(type, 5, 512, 3), { type });
    const { data } = randomInput(1, 512, 4);
    const signals = gguf.trace?.(packed, data) ?? [];
    const named = Object.fromEntries(signals.map((signal) => [signal.name, signal]));
    const out = await gguf.open(packed, reference).multiply(matrix(1, 512, data));
    expect(Float32Array.from(named.output.values)).toEqual(out.data);
    for (const { shape, values } of signals) expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
    // The sums are those of the codes and the scheme's levels.
    const runs = named.scales.values.length;
    const weight = gguf.unpack(packed);
    const zero = weight.scheme === "int" ? 2 ** (weight.bits - 1) : 0;
    const mirrored = type === "q2_0" ? -1 : 1;
    let first = 0;
    for (let k = 0; k < 512 / runs; k++) first += mirrored * (weight.codes[k] - zero) * named.codes.values[k];
    expect(named.sums.values[0]).toBe(first);
  });
});
