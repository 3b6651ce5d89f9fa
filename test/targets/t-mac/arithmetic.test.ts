import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { IntScheme } from "../../../src/schemes/int.js";
import type { GridScheme } from "../../../src/schemes/scheme.js";
import { dequantize } from "../../../src/schemes/weights.js";
import { processors } from "../../../src/targets/t-mac/processor.js";
import { tMac } from "../../../src/targets/t-mac/t-mac.js";
import { buildTables } from "../../../src/targets/t-mac/tables.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const auto = tMac.parameters.parse({});

test("the table of (1, −0.5, 2, 0.25) is the worked one", () => {
  const x = new Float32Array(32);
  x.set([1, -0.5, 2, 0.25]);
  const { entries, scales, biases } = buildTables(x, 32, processors.float32);
  expect([...entries.subarray(0, 16)]).toEqual([
    -93, -25, -127, -59, 42, 110, 8, 76, -76, -8, -110, -42, 59, 127, 25, 93,
  ]);
  expect(scales[0]).toBe(Math.fround(3.75 / 127));
  expect(biases[0]).toBe(-2.75);
});

test("the code 3 of two bits is worth one scale: ½ + 1 of the planes, less ½", async () => {
  // Every fourth input is 127, so S = 1 and tables are exact: 16 lookups of 127 in both planes, B = −2,032.
  // C₀ = 2,032 − 2,032 = 0, C₁ = 2,032, y = 0 / 2 + 2,032 = Σ (3 − 2) · x.
  const weight: IntScheme = {
    ...randomInt({ rows: 16, columns: 64, granularity: "row", bits: 2, symmetric: true }, 1),
    codes: new Uint8Array(16 * 64).fill(3),
    scales: new Float32Array(16).fill(1),
  };
  const input = matrix(
    1,
    64,
    Float32Array.from({ length: 64 }, (_, k) => (k % 4 === 0 ? 127 : 0)),
  );
  const out = await tMac.open(tMac.pack(weight, auto), reference).multiply(input);
  expect([...out.data]).toEqual(new Array(16).fill(2032));
});

test("a scale too small for its reciprocal saturates all entries at −128, as x86 converts infinity", () => {
  const { entries, scales } = buildTables(new Float32Array(32).fill(2 ** -140), 32, processors.float32);
  expect(scales[0]).toBeGreaterThan(0);
  expect(new Set(entries)).toEqual(new Set([-128]));
});

test("biases are added by halves, pairs and neighbours of eight sums", () => {
  // In index order each 1 would be lost to 2^24. Here (2^24 + 0) + (1 + 1) keeps two and (1 + 0) + (0 + 0) brings the third:
  // 2^24 + 3 lies between two float32 values and goes to the even one.
  const x = new Float32Array(32);
  for (const [lane, sum] of [2 ** 24, 1, 1, 0, 0, 0, 1, 0].entries()) x[4 * lane] = sum;
  expect(buildTables(x, 32, processors.float32).biases[0]).toBe(-(2 ** 24 + 4));
});

test("an input that is not finite is named", async () => {
  const weight = randomPlanes({ rows: 16, columns: 64, granularity: 64, planes: 1 }, 5);
  for (const kernels of [reference, openKernels({ threads: 1 })]) {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const input = randomInput(3, 64, 1);
      input.data[64 + 7] = value;
      const product = tMac.open(tMac.pack(weight, auto), kernels).multiply(input);
      await expect(product).rejects.toThrow(`${value} at token 1, input 7`);
    }
  }
});

test("a token of zeros gives zeros", async () => {
  const weight = randomPlanes({ rows: 16, columns: 64, granularity: 64, planes: 2 }, 5);
  const out = await tMac
    .open(tMac.pack(weight, auto), reference)
    .multiply({ rows: 1, columns: 64, data: new Float32Array(64) });
  expect([...out.data]).toEqual(new Array(16).fill(0));
});

describe("the result is the dequantized product, up to the tables' rounding", () => {
  const weights = [1, 2, 3, 4].flatMap((bits): GridScheme[] =>
    [true, false].map((symmetric) =>
      randomInt({ rows: 64, columns: 256, granularity: 128, bits, symmetric }, bits),
    ),
  );
  const planes = [1, 2, 3].map((count) =>
    randomPlanes({ rows: 64, columns: 256, granularity: 64, planes: count }, count),
  );
  const wide = [
    randomInt({ rows: 32, columns: 128, granularity: "tensor", bits: 2, symmetric: true }, 3),
    randomPlanes({ rows: 32, columns: 128, granularity: "tensor", planes: 1 }, 4),
    randomInt({ rows: 32, columns: 96, granularity: 32, bits: 4, symmetric: false }, 6),
  ];

  test.each([...weights, ...planes, ...wide].map((weight) => [describeShort(weight), weight] as const))(
    "%s",
    async (_, weight) => {
      const input = randomInput(3, weight.columns, 11);
      const found = await tMac.open(tMac.pack(weight, auto), reference).multiply(input);
      const { expected, bound } = exactProduct(weight, input);
      for (let i = 0; i < expected.length; i++)
        expect(Math.abs(found.data[i] - expected[i])).toBeLessThan(bound[i]);
    },
  );
});

const paths = openKernels().native?.paths() ?? [];

describe.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  ({ path, threads }) => {
    const native = openKernels({ path, threads });

    test("int and planes, all shapes of scales", async () => {
      const shape = fc.record({
        bits: fc.integer({ min: 1, max: 4 }),
        rows: fc.constantFrom(32, 96, 192),
        columns: fc.constantFrom(64, 192),
        granularity: fc.constantFrom(32, 64, "row" as const, "tensor" as const),
        symmetric: fc.boolean(), // with one scale for the tensor always
        planes: fc.integer({ min: 0, max: 3 }), // 0: int
        kFactor: fc.constantFrom("auto" as const, 8 as const),
        activationGroup: fc.constantFrom("auto" as const, 32 as const),
        tokens: fc.constantFrom(1, 2, 7),
      });
      await fc.assert(
        fc.asyncProperty(shape, seeds, async (chosen, seed) => {
          const symmetric = chosen.symmetric || chosen.granularity === "tensor";
          const weight =
            chosen.planes === 0 ? randomInt({ ...chosen, symmetric }, seed) : randomPlanes(chosen, seed);
          const packed = tMac.pack(weight, {
            ...auto,
            kFactor: chosen.kFactor,
            activationGroup: chosen.activationGroup,
          });
          const input = randomInput(chosen.tokens, chosen.columns, seed);
          const [a, b] = await Promise.all([
            tMac.open(packed, native).multiply(input),
            tMac.open(packed, reference).multiply(input),
          ]);
          expect(a.data).toEqual(b.data);
        }),
        { numRuns: 40, seed: 7 },
      );
    });

    test.each([
      ["several tiles, more blocks than a task", { rows: 1536, columns: 128, granularity: 64, bits: 2 }, {}],
      ["three bits over several tiles", { rows: 1024, columns: 64, granularity: 64, bits: 3 }, {}],
      ["a tile of one block", { rows: 64, columns: 256, granularity: 128, bits: 4 }, { tileRows: 32 }],
      [
        "a tile higher than a task",
        { rows: 1600, columns: 64, granularity: 32, bits: 1 },
        { tileRows: 1600 },
      ],
    ])("%s", async (_, shape, chosen) => {
      for (const symmetric of [true, false]) {
        const packed = tMac.pack(randomInt({ ...shape, symmetric }, 3), { ...auto, ...chosen });
        for (const tokens of [1, 13]) {
          const input = randomInput(tokens, shape.columns, 4);
          const found = await tMac.open(packed, native).multiply(input);
          expect(found.data).toEqual((await tMac.open(packed, reference).multiply(input)).data);
        }
      }
    });

    test("inputs of all magnitudes, subnormal ones too", async () => {
      const packed = tMac.pack(randomPlanes({ rows: 32, columns: 64, granularity: 32, planes: 2 }, 9), auto);
      const magnitudes = [2 ** -149, 2 ** -140, 2 ** -126, 2 ** -60, 0, 2 ** 60, 2 ** 100];
      const input = randomInput(magnitudes.length, 64, 10);
      for (let i = 0; i < input.data.length; i++) input.data[i] *= magnitudes[Math.floor(i / 64)];
      const found = await tMac.open(packed, native).multiply(input);
      expect(found.data).toEqual((await tMac.open(packed, reference).multiply(input)).data);
    });

    test("more tokens than are held at a time", async () => {
      const packed = tMac.pack(randomPlanes({ rows: 48, columns: 64, granularity: 32, planes: 2 }, 9), auto);
      const input = randomInput(259, 64, 10);
      const found = await tMac.open(packed, native).multiply(input);
      expect(found.data).toEqual((await tMac.open(packed, reference).multiply(input)).data);
    });
  },
);

function describeShort(weight: GridScheme): string {
  const kind =
    weight.scheme === "int"
      ? `int${weight.bits} ${weight.symmetric ? "symmetric" : "with zeros"}`
      : `${weight.planes} planes`;
  return `${kind}, ${weight.scaleRows} × ${weight.columns / weight.group} scales`;
}

/**
 * Dequantize-then-dot in float64, and how far table rounding can lead from it: half a unit a lookup, K / 4 lookups a
 * plane, planes weighted ½, 1, 2, 4, the unit at most Σ|x| of four inputs over 127, times the largest scale.
 */
function exactProduct(weight: GridScheme, input: Matrix) {
  const w = dequantize(weight);
  const expected: number[] = [];
  const bound: number[] = [];
  const bits = weight.scheme === "int" ? weight.bits : 2;
  const passes = weight.scheme === "int" ? 1 : weight.planes;
  const largestScale = Math.max(...weight.scales);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    const unit = (4 * Math.max(...x.map(Math.abs))) / 127;
    for (let row = 0; row < w.rows; row++) {
      let sum = 0;
      for (let k = 0; k < w.columns; k++) sum += x[k] * w.data[row * w.columns + k];
      expected.push(sum);
      bound.push(passes * largestScale * unit * 0.5 * (w.columns / 4) * (2 ** bits - 1) * 0.5 + 1e-3);
    }
  }
  return { expected, bound };
}
