import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { quantizeToken } from "../../../src/schemes/activation.js";
import { lutTensorCore } from "../../../src/targets/lut-tensor-core/lut-tensor-core.js";
import type { Signal } from "../../../src/targets/signal.js";
import { randomInput, randomPlanes } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const defaults = lutTensorCore.parameters.parse({});
const float = { scheme: "float" } as const;
const int8 = { scheme: "int8", per: "token" } as const;
const int16 = { scheme: "int16", per: "token" } as const;

describe("a trace", () => {
  const weight = randomPlanes({ rows: 64, columns: 48, granularity: 24, planes: 2 }, 1);
  const input = randomInput(1, 48, 2);

  test.each([float, int8, int16])("of $scheme inputs ends with the bits of multiply", async (activation) => {
    const packed = lutTensorCore.pack(weight, defaults, undefined, activation);
    const signals = lutTensorCore.trace?.(packed, input.data) ?? [];
    const out = await lutTensorCore.open(packed, reference).multiply(input);
    expect(signals[0]).toMatchObject({ name: "input", values: input.data });
    expect(signals.at(-1)).toMatchObject({ name: "output", values: out.data });
    for (const { values, shape, format, name } of signals) {
      expect(values.length, name).toBe(shape.reduce((product, length) => product * length, 1));
      if (format.kind === "float") continue;
      const most = Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expect(most, name).toBeLessThan(2 ** (format.bits - 1));
    }
  });

  test("shows partial sums that a plain count of planes and tables confirms", () => {
    const packed = lutTensorCore.pack(weight, defaults);
    const signals = lutTensorCore.trace?.(packed, input.data) ?? [];
    const valuesOf = (name: string) => (signals.find((signal) => signal.name === name) as Signal).values;
    const entries = valuesOf("table-entries");
    const partialSums = valuesOf("pass1-partial-sums");
    for (const [output, table] of [
      [0, 0],
      [5, 3],
      [63, 11],
    ]) {
      // q' = 2t + 1 = ±1 ±2: its planes are the bits of t + 2.
      let sum = 0;
      for (let plane = 0; plane < 2; plane++) {
        const bits = [0, 1, 2, 3].map(
          (j) => ((weight.codes[64 * 48 + output * 48 + 4 * table + j] + 2) >> plane) & 1,
        );
        const negate = bits[3] === 1;
        const entry = bits.slice(0, 3).reduce((at, bit, j) => at + ((negate ? 1 - bit : bit) << j), 0);
        sum += (negate ? -1 : 1) * entries[table * 8 + entry] * 2 ** plane;
      }
      expect(partialSums[output * 12 + table]).toBe(sum);
    }
  });

  test("of INT8 tokens has their codes, and exact sums", () => {
    const packed = lutTensorCore.pack(weight, defaults, undefined, int8);
    const signals = lutTensorCore.trace?.(packed, input.data) ?? [];
    expect(signals.find(({ name }) => name === "rounded-input")?.values).toEqual(
      quantizeToken(input.data).codes,
    );
  });

  test("of an input that is not finite is an error", () => {
    const packed = lutTensorCore.pack(weight, defaults);
    const token = input.data.with(5, Number.NaN);
    expect(() => lutTensorCore.trace?.(packed, token)).toThrow("NaN at token 0, input 5");
  });
});
