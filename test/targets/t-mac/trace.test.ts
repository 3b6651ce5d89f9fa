import fc from "fast-check";
import { expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { tMac } from "../../../src/targets/t-mac/t-mac.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const auto = tMac.parameters.parse({});

test("the traced output has the bits of the product", async () => {
  const shape = fc.record({
    bits: fc.integer({ min: 1, max: 4 }),
    planes: fc.integer({ min: 0, max: 3 }), // 0: int
    granularity: fc.constantFrom(32, 64, "row" as const),
    symmetric: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, seeds, async (chosen, seed) => {
      const size = { rows: 96, columns: 192 };
      const weight =
        chosen.planes === 0
          ? randomInt({ ...chosen, ...size }, seed)
          : randomPlanes({ ...chosen, ...size }, seed);
      const packed = tMac.pack(weight, auto);
      const input = randomInput(1, 192, seed);
      const { data } = await tMac.open(packed, reference).multiply(input);
      const signals = tMac.trace?.(packed, input.data) ?? [];
      expect(signals.at(-1)).toMatchObject({ name: "output", values: data });
    }),
    { numRuns: 30, seed: 3 },
  );
});

test("every signal fills its shape, stays in its width and has a name of its own", () => {
  const packed = tMac.pack(randomPlanes({ rows: 32, columns: 128, granularity: 64, planes: 2 }, 4), auto);
  const signals = tMac.trace?.(packed, randomInput(1, 128, 5).data) ?? [];
  expect(signals.map(({ name }) => name)).toEqual([
    ...["input", "table-entries", "table-scales", "table-biases"],
    ...["pass0-lookups", "pass0-accumulators", "pass0-outputs"],
    ...["pass1-lookups", "pass1-accumulators", "pass1-outputs"],
    "output",
  ]);
  for (const { name, format, shape, values } of signals) {
    expect(values.length, name).toBe(shape.reduce((product, length) => product * length));
    if (format.kind === "float") continue;
    const most = Math.max(...Array.from(values, Math.abs));
    expect(most, name).toBeLessThanOrEqual(2 ** (format.bits - 1));
  }
});

test("lookup sums are those of the weight's bits and the traced tables", () => {
  // One bit: entry index = bits of four inputs; expanded row = output. Sums by group, straight from the codes.
  const weight = randomInt({ rows: 32, columns: 128, granularity: 64, bits: 1, symmetric: true }, 6);
  const signals = tMac.trace?.(tMac.pack(weight, auto), randomInput(1, 128, 7).data) ?? [];
  const valuesOf = (name: string) => Array.from(signals.find((signal) => signal.name === name)?.values ?? []);
  const [entries, sums] = [valuesOf("table-entries"), valuesOf("pass0-lookups")];
  for (let group = 0; group < 2; group++) {
    for (let row = 0; row < 32; row++) {
      let sum = 0;
      for (let q = group * 16; q < (group + 1) * 16; q++) {
        const codes = weight.codes.subarray(row * 128 + q * 4, row * 128 + q * 4 + 4);
        sum += entries[q * 16 + codes[0] + 2 * codes[1] + 4 * codes[2] + 8 * codes[3]];
      }
      expect(sums[group * 32 + row]).toBe(sum);
    }
  }
});

test("a token that is not finite is refused as by the product", () => {
  const packed = tMac.pack(randomPlanes({ rows: 32, columns: 64, granularity: 64, planes: 1 }, 4), auto);
  const token = matrix(1, 64).data.fill(Number.NaN, 3, 4);
  expect(() => tMac.trace?.(packed, token)).toThrow("NaN at token 0, input 3");
});
