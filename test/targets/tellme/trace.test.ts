import fc from "fast-check";
import { expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { tellme } from "../../../src/targets/tellme/tellme.js";
import { randomInput, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const defaults = tellme.parameters.parse({});

test("the traced output has the bits of the product", async () => {
  const shape = fc.record({
    rows: fc.integer({ min: 2, max: 20 }),
    columns: fc.integer({ min: 1, max: 200 }),
    planes: fc.integer({ min: 1, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(shape, seeds, async (chosen, seed) => {
      const packed = tellme.pack(randomPlanes({ ...chosen, granularity: "tensor" }, seed), defaults);
      const input = randomInput(1, chosen.columns, seed);
      const { data } = await tellme.open(packed, reference).multiply(input);
      expect(tellme.trace?.(packed, input.data).at(-1)).toMatchObject({ name: "output", values: data });
    }),
    { numRuns: 30, seed: 3 },
  );
});

test("accumulators are the plain sums of traced codes and trits; signals fill their shapes and widths", () => {
  const weight = randomPlanes({ rows: 5, columns: 100, granularity: "tensor", planes: 2 }, 8);
  const signals = tellme.trace?.(tellme.pack(weight, defaults), randomInput(1, 100, 9).data) ?? [];
  expect(signals.map(({ name }) => name)).toEqual([
    ...["input", "token-scale", "token-codes", "table-entries"],
    ...["plane0-accumulators", "plane0-factor", "plane0-dequantized"],
    ...["plane1-accumulators", "plane1-factor", "plane1-dequantized"],
    "output",
  ]);
  const valuesOf = (name: string) => Array.from(signals.find((signal) => signal.name === name)?.values ?? []);
  const codes = valuesOf("token-codes");
  for (let plane = 0; plane < 2; plane++) {
    for (let row = 0; row < 5; row++) {
      const trits = weight.codes.subarray((plane * 5 + row) * 100, (plane * 5 + row + 1) * 100);
      const sum = codes.reduce((total, code, k) => total + code * trits[k], 0);
      expect(valuesOf(`plane${plane}-accumulators`)[row]).toBe(sum);
    }
  }
  for (const { name, format, shape, values } of signals) {
    expect(values.length, name).toBe(shape.reduce((product, length) => product * length));
    if (format.kind === "float") continue;
    expect(Math.max(...Array.from(values, Math.abs)), name).toBeLessThanOrEqual(2 ** (format.bits - 1));
  }
});
