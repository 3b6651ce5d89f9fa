import fc from "fast-check";
import { expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { lutGemm } from "../../../src/targets/lut-gemm/lut-gemm.js";
import { roundToFloat16 } from "../../../src/tensor/float.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });

test("the traced output has the bits of the product", async () => {
  const shape = fc.record({
    rows: fc.constantFrom(2, 12),
    columns: fc.constantFrom(64, 96),
    granularity: fc.constantFrom(32, "row" as const),
    planes: fc.integer({ min: 1, max: 3 }),
    offset: fc.boolean(),
    isInt: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, seeds, async (chosen, seed) => {
      const weight = chosen.isInt
        ? randomInt({ ...chosen, bits: chosen.planes, symmetric: chosen.offset }, seed)
        : randomSigns(chosen, seed);
      const packed = lutGemm.pack(weight, {});
      const input = randomInput(1, chosen.columns, seed);
      const { data } = await lutGemm.open(packed, reference).multiply(input);
      const signals = lutGemm.trace?.(packed, input.data) ?? [];
      expect(signals.at(-1)).toMatchObject({ name: "output", values: data });
    }),
    { numRuns: 30, seed: 3 },
  );
});

test("every signal fills its shape, holds values of its width and has a name of its own", () => {
  const size = { rows: 6, columns: 128 };
  const token = randomInput(1, 128, 5).data;
  const names = (weight: Parameters<typeof lutGemm.pack>[0]) => {
    const signals = lutGemm.trace?.(lutGemm.pack(weight, {}), token) ?? [];
    for (const { name, format, shape, values } of signals) {
      expect(values.length, name).toBe(shape.reduce((product, length) => product * length));
      if (format.kind === "float" && format.bits === 16)
        for (const value of Array.from(values)) expect(roundToFloat16(value), name).toBe(value);
    }
    return signals.map(({ name }) => name);
  };
  const start = ["input", "input-float16", "table-entries"];
  const end = ["lookup-sums", "tile-outputs", "output"];
  expect(names(randomPlanes({ ...size, granularity: 64, planes: 2 }, 4))).toEqual([...start, ...end]);
  expect(names(randomInt({ ...size, granularity: 64, bits: 3, symmetric: false }, 4))).toEqual([
    ...start,
    "input-sums",
    ...end,
  ]);
});

test("lookup sums are those of the weight's signs and the traced tables", () => {
  const weight = randomSigns({ rows: 4, columns: 128, granularity: 64, planes: 2, offset: false }, 6);
  const signals = lutGemm.trace?.(lutGemm.pack(weight, {}), randomInput(1, 128, 7).data) ?? [];
  const valuesOf = (name: string) => Array.from(signals.find((signal) => signal.name === name)?.values ?? []);
  const [entries, sums] = [valuesOf("table-entries"), valuesOf("lookup-sums")];
  for (let tile = 0; tile < 2; tile++) {
    for (let plane = 0; plane < 2; plane++) {
      for (let row = 0; row < 4; row++) {
        let sum = 0;
        for (let table = tile * 8; table < tile * 8 + 8; table++) {
          const first = plane * 4 * 128 + row * 128 + table * 8;
          const signs = weight.codes.subarray(first, first + 8);
          const index = signs.reduce((bits, sign, j) => bits + (sign > 0 ? 2 ** j : 0), 0);
          sum = roundToFloat16(sum + entries[table * 256 + index]);
        }
        expect(sums[(tile * 2 + plane) * 4 + row]).toBe(sum);
      }
    }
  }
});

test("a token that is not finite, or too large, is refused as by the product", () => {
  const packed = lutGemm.pack(
    randomSigns({ rows: 4, columns: 64, granularity: 64, planes: 1, offset: false }, 4),
    {},
  );
  const token = matrix(1, 64).data.fill(Number.NaN, 3, 4);
  expect(() => lutGemm.trace?.(packed, token)).toThrow("NaN at token 0, input 3");
  expect(() => lutGemm.trace?.(packed, token.fill(1e6, 3, 4))).toThrow("up to 1000000");
});
