import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import { dequantize } from "../../../src/schemes/weights.js";
import { processors } from "../../../src/targets/t-mac/processor.js";
import { tMac } from "../../../src/targets/t-mac/t-mac.js";
import { buildTables } from "../../../src/targets/t-mac/tables.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";
import { nearest, neonProduct } from "./neon.js";

/* float16 as on ARM, fast aggregation, and one table scale a token. */

const reference = openKernels({ path: "reference" });
const auto = tMac.parameters.parse({});
const arm = { ...auto, float: "float16" } as const;
const fast = { ...arm, aggregation: "fast" } as const;
const perToken = { ...auto, activationGroup: "token" } as const;

describe("tables in float16", () => {
  test("the worked table: S = 3.75 / 127 to eleven bits, the entries as in float32", () => {
    const x = new Float32Array(32);
    x.set([1, -0.5, 2, 0.25]);
    const { entries, scales, biases } = buildTables(x, 32, processors.float16);
    expect([...entries.subarray(0, 16)]).toEqual([
      -93, -25, -127, -59, 42, 110, 8, 76, -76, -8, -110, -42, 59, 127, 25, 93,
    ]);
    expect(scales[0]).toBe(nearest(3.75 / 127));
    expect(biases[0]).toBe(-2.75);
  });

  test("a scale whose reciprocal is beyond float16 saturates entries to both sides and leaves 0 at 0", () => {
    const x = new Float32Array(32);
    x[0] = 2 ** -10; // S = 2^-10 / 127, 1 / S = 130,048
    const { entries } = buildTables(x, 32, processors.float16);
    expect(new Set(entries.subarray(0, 16))).toEqual(new Set([-128, 127]));
    expect(new Set(entries.subarray(16))).toEqual(new Set([0]));
  });

  test("the eight sums of a bias are added as float32, then rounded once", () => {
    // 2,048 + 1 + 1 is 2,050; in float16 each 1 would be lost to 2,048.
    const x = new Float32Array(32);
    for (const lane of [0, 1, 2]) x[4 * lane] = lane === 0 ? 2048 : 1;
    expect(buildTables(x, 32, processors.float16).biases[0]).toBe(-2050);
  });
});

describe("the product has the bits of the NEON code's formulas on plain codes", () => {
  const shape = fc.record({
    bits: fc.integer({ min: 1, max: 4 }),
    planes: fc.integer({ min: 0, max: 2 }), // 0: int
    rows: fc.constantFrom(32, 96),
    columns: fc.constantFrom(64, 192),
    granularity: fc.constantFrom(32, 64, "row" as const, "tensor" as const),
    symmetric: fc.boolean(), // with one scale for the tensor always
  });

  test.each(["exact", "fast"] as const)("%s aggregation", async (aggregation) => {
    await fc.assert(
      fc.asyncProperty(shape, seeds, async (chosen, seed) => {
        const symmetric = chosen.symmetric || chosen.granularity === "tensor";
        const weight =
          chosen.planes === 0 ? randomInt({ ...chosen, symmetric }, seed) : randomPlanes(chosen, seed);
        const packed = tMac.pack(weight, { ...arm, aggregation });
        const input = randomInput(2, chosen.columns, seed);
        const { data } = await tMac.open(packed, reference).multiply(input);
        const { kFactor, activationGroup } = packed.layout as { kFactor: number; activationGroup: number };
        for (let token = 0; token < 2; token++) {
          const x = input.data.subarray(token * chosen.columns, (token + 1) * chosen.columns);
          const expected = neonProduct(weight, x, kFactor, activationGroup, aggregation === "fast");
          expect([...data.subarray(token * chosen.rows, (token + 1) * chosen.rows)]).toEqual(expected);
        }
      }),
      { numRuns: 30, seed: 4 },
    );
  });
});

test("float16 stays near the dequantized product, and fast aggregation is further off than exact", async () => {
  const weight = randomInt({ rows: 64, columns: 512, granularity: 64, bits: 2, symmetric: true }, 1);
  const input = randomInput(4, 512, 2);
  const w = dequantize(weight);
  const errorOf = async (parameters: typeof arm | typeof fast | typeof auto) => {
    const { data } = await tMac.open(tMac.pack(weight, parameters), reference).multiply(input);
    let [error, whole] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      const [token, row] = [Math.floor(i / 64), i % 64];
      let exact = 0;
      for (let k = 0; k < 512; k++) exact += input.data[token * 512 + k] * w.data[row * 512 + k];
      error += (data[i] - exact) ** 2;
      whole += exact ** 2;
    }
    return error / whole;
  };
  const [x86, exact, averaged] = [await errorOf(auto), await errorOf(arm), await errorOf(fast)];
  expect(exact).toBeLessThan(2 * x86 + 1e-5);
  expect(averaged).toBeGreaterThan(exact);
  expect(averaged).toBeLessThan(0.05);
});

describe("one table scale a token", () => {
  test("the sum over K is the exact integer, scaled once", async () => {
    // Largest Σ|x| is 127, so S = 1 and tables are exact: y = ½ · (Σ lookups of plane 0 + B) + Σ lookups of plane 1.
    const weight = {
      ...randomInt({ rows: 32, columns: 192, granularity: "tensor", bits: 2, symmetric: true }, 3),
      scales: Float32Array.of(0.5),
    };
    const input = matrix(1, 192);
    for (let k = 0; k < 192; k++) input.data[k] = ((k * 37) % 61) - 30;
    input.data.set([127, 0, 0, 0]);
    const clear = input.data.map((value, k) => (k >= 4 && k % 4 !== 1 ? 0 : value)); // one input a table
    for (const float of ["float32", "float16"] as const) {
      const packed = tMac.pack(weight, { ...perToken, float });
      const { data } = await tMac.open(packed, reference).multiply(matrix(1, 192, clear));
      const expected = Array.from({ length: 32 }, (_, row) =>
        clear.reduce((sum, x, k) => sum + 0.5 * x * (weight.codes[row * 192 + k] - 2), 0),
      );
      expect([...data]).toEqual(expected.map((y) => (float === "float16" ? nearest(y) : y)));
      expect(packed.layout.activationGroup).toBe("token");
    }
  });

  test("trit planes stay within half a unit a lookup of the dequantized product", async () => {
    const weight = randomPlanes({ rows: 32, columns: 256, granularity: "tensor", planes: 2 }, 5);
    const input = randomInput(2, 256, 6);
    const { data } = await tMac.open(tMac.pack(weight, perToken), reference).multiply(input);
    const w = dequantize(weight);
    const unit = (4 * Math.max(...input.data.map(Math.abs))) / 127;
    const bound = weight.scales.reduce((sum, scale) => sum + scale * unit * 0.5 * 64 * 1.5, 0);
    for (let i = 0; i < data.length; i++) {
      const [token, row] = [Math.floor(i / 32), i % 32];
      let exact = 0;
      for (let k = 0; k < 256; k++) exact += input.data[token * 256 + k] * w.data[row * 256 + k];
      expect(Math.abs(data[i] - exact)).toBeLessThan(bound);
    }
  });
});

describe("traces", () => {
  test.each([
    ["float16", arm, 16],
    ["fast aggregation", fast, 8],
    ["one table scale a token", perToken, 32],
  ] as const)(
    "of %s end in the product's bits and keep to their widths",
    async (_, parameters, lookupBits) => {
      const weight = randomPlanes({ rows: 32, columns: 128, granularity: "tensor", planes: 2 }, 7);
      const packed = tMac.pack(weight, parameters);
      const input = randomInput(1, 128, 8);
      const { data } = await tMac.open(packed, openKernels()).multiply(input);
      const signals = tMac.trace?.(packed, input.data) ?? [];
      expect(signals.at(-1)).toMatchObject({ name: "output", values: data });
      const lookups = signals.find(({ name }) => name === "pass1-lookups");
      expect(lookups?.format).toEqual({ kind: "signed", bits: lookupBits });
      for (const { name, format, shape, values } of signals) {
        expect(values.length, name).toBe(shape.reduce((product, length) => product * length));
        for (const value of Array.from(values)) {
          if (format.kind === "float" && format.bits === 16) expect(nearest(value), name).toBe(value);
          if (format.kind === "signed")
            expect(Math.abs(value), name).toBeLessThanOrEqual(2 ** (format.bits - 1));
        }
      }
      expect(signals.some(({ name }) => name === "pass0-accumulators")).toBe(parameters !== perToken);
    },
  );
});

describe("packs in float16", () => {
  test("hold two bytes a scale and unpack to what was packed, zero points and float32 scales too", () => {
    const shape = fc.record({
      bits: fc.integer({ min: 1, max: 4 }),
      planes: fc.integer({ min: 0, max: 2 }),
      granularity: fc.constantFrom(32, "row" as const, "tensor" as const),
      symmetric: fc.boolean(),
    });
    fc.assert(
      fc.property(shape, seeds, (chosen, seed) => {
        const size = { rows: 96, columns: 64 };
        const symmetric = chosen.symmetric || chosen.granularity === "tensor";
        const weight =
          chosen.planes === 0
            ? randomInt({ ...chosen, ...size, symmetric }, seed)
            : randomPlanes({ ...chosen, ...size }, seed);
        const packed = tMac.pack(weight, arm);
        expect(packed.tensors["pass0.scales"].dtype).toBe("F16");
        expect(tMac.unpack(packed)).toEqual(weight);
      }),
      { numRuns: 40, seed: 5 },
    );
  });

  test("keep the nearest float16 of a scale a tensor for the kernels, and the scale itself for reading back", () => {
    const weight = {
      ...randomPlanes({ rows: 16, columns: 64, granularity: "tensor", planes: 1 }, 1),
      scales: Float32Array.of(0.1),
    };
    const { tensors } = tMac.pack(weight, arm);
    expect([...tensors["pass0.scales"].bytes]).toEqual([0x66, 0x2e]); // 0.1 in float16 is 0x2E66
    expect(new Float32Array(tensors["unrounded-scales"].bytes.slice().buffer)[0]).toBe(Math.fround(0.1));
  });

  test("are damaged where the two disagree", () => {
    const packed = tMac.pack(
      randomPlanes({ rows: 16, columns: 64, granularity: "tensor", planes: 1 }, 1),
      arm,
    );
    const bytes = new Uint8Array(Float32Array.of(7).buffer);
    const tensors = {
      ...packed.tensors,
      "unrounded-scales": { ...packed.tensors["unrounded-scales"], bytes },
    };
    expect(() => tMac.unpack({ ...packed, tensors })).toThrow(/is not 7 rounded/);
  });

  test("take no scale beyond float16", () => {
    const weight = {
      ...randomPlanes({ rows: 16, columns: 64, granularity: "tensor", planes: 1 }, 1),
      scales: Float32Array.of(70_000),
    };
    expect(() => tMac.pack(weight, arm)).toThrow(LuthierError);
    expect(() => tMac.pack(weight, arm)).toThrow(/too large for float16/);
  });
});

test("sums beyond float16 are an error that names the token", async () => {
  const weight = randomInt({ rows: 32, columns: 64, granularity: 64, bits: 4, symmetric: true }, 1);
  const input = randomInput(2, 64, 1);
  input.data.fill(30_000, 64);
  const product = tMac.open(tMac.pack(weight, arm), reference).multiply(input);
  await expect(product).rejects.toThrow("values too large for it, up to 30000 at token 1");
});

describe("what does not fit is refused", () => {
  const float = { scheme: "float" } as const;
  const grouped = randomInt({ rows: 32, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
  const whole = randomInt({ rows: 32, columns: 64, granularity: "tensor", bits: 2, symmetric: true }, 1);

  test("fast aggregation on x86, whose kernels average signed bytes as unsigned", () => {
    expect(tMac.refuse(grouped, float, { ...auto, aggregation: "fast" })?.fix).toContain("float16");
  });

  test("fast aggregation with one table scale a token", () => {
    expect(tMac.refuse(whole, float, { ...fast, activationGroup: "token" })?.reason).toContain("token");
  });

  test("one table scale a token with weight scales a group", () => {
    expect(tMac.refuse(grouped, float, perToken)?.fix).toContain("group: tensor");
  });
});
