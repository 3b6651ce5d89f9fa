import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { bitnetCpp } from "../../../src/targets/bitnet-cpp/bitnet-cpp.js";
import { randomInput, seeds } from "../random-weights.js";
import { anyWeight, ternary } from "./ternary.js";

const reference = openKernels({ path: "reference" });
const choose = bitnetCpp.parameters.parse.bind(bitnetCpp.parameters);

test.each(Object.keys(anyWeight))("the traced output of %s has the bits of the product", async (kernel) => {
  await fc.assert(
    fc.asyncProperty(anyWeight[kernel], seeds, async ({ shape, chosen }, seed) => {
      const packed = bitnetCpp.pack(ternary(shape, seed), choose({ kernel, ...chosen }));
      const input = randomInput(1, shape.columns, seed);
      const { data } = await bitnetCpp.open(packed, reference).multiply(input);
      expect(bitnetCpp.trace?.(packed, input.data).at(-1)).toMatchObject({ name: "output", values: data });
    }),
    { numRuns: 15, seed: 3 },
  );
});

describe.each([
  ["i2_s-x86", ["token-sum", "accumulators"]],
  ["i2_s-arm", ["token-sum", "accumulators"]],
  ["tl1", ["pair-tables", "pair-sums", "accumulators"]],
  ["tl2", ["triple-tables", "triple-sums", "pair-tables", "pair-sums", "accumulators"]],
])("the signals of %s", (kernel, between) => {
  const columns = 512;
  const weight = ternary({ rows: 64, columns }, 8);
  const packed = bitnetCpp.pack(weight, choose({ kernel }));
  const signals = bitnetCpp.trace?.(packed, randomInput(1, columns, 9).data) ?? [];
  const valuesOf = (name: string) => Array.from(signals.find((signal) => signal.name === name)?.values ?? []);

  test("are those of its arithmetic, in order", () => {
    expect(signals.map(({ name }) => name)).toEqual([
      ...["input", "token-scale", "token-codes"],
      ...between,
      "output",
    ]);
  });

  test("fill their shapes and widths", () => {
    for (const { name, format, shape, values } of signals) {
      expect(values.length, name).toBe(shape.reduce((product, length) => product * length));
      if (format.kind === "float") continue;
      const most = 2 ** (format.kind === "signed" ? format.bits - 1 : format.bits);
      expect(Math.max(...Array.from(values, Math.abs)), name).toBeLessThanOrEqual(most);
    }
  });

  test("accumulate the plain sums of traced codes and trits", () => {
    const codes = valuesOf("token-codes");
    const tokenSum = valuesOf("token-sum")[0] ?? 0;
    for (let row = 0; row < 64; row++) {
      const trits = weight.codes.subarray(row * columns, (row + 1) * columns);
      const sum = codes.reduce((total, code, k) => total + code * trits[k], 0);
      expect(valuesOf("accumulators")[row]).toBe(sum + tokenSum);
    }
  });

  test("have the sums of blocks add up to the accumulators", () => {
    if (!kernel.startsWith("tl")) return;
    const sums = new Array(64).fill(0);
    for (const name of ["triple-sums", "pair-sums"])
      for (const [at, sum] of valuesOf(name).entries()) sums[at % 64] += sum;
    expect(valuesOf("accumulators")).toEqual(sums);
  });
});
