import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { relativeError } from "../../src/schemes/relative-error.js";
import type { ValuesOutline, ValuesScheme } from "../../src/schemes/values.js";
import {
  bitsPerWeight,
  dequantize,
  describeWeight,
  numbersOf,
  outlineOf,
  parseOutline,
  weightFromTensors,
  weightTensors,
} from "../../src/schemes/weights.js";
import { matrix } from "../../src/tensor/matrix.js";
import { randomTabled, seeds } from "../targets/random-weights.js";

const shared: ValuesScheme = {
  ...{ scheme: "values", bits: 2, rows: 2, columns: 4, group: 2, scaleRows: 2 },
  tables: [
    [-1, 0, 1],
    [-4, -1, 0, 2],
  ],
  codes: Uint8Array.of(0, 1, 3, 2, 2, 2, 0, 1),
  selectors: Uint8Array.of(0, 1, 0, 1),
  scales: Float32Array.of(0.5, 2, 3, -1),
  ownTables: null,
};

const own: ValuesScheme = {
  ...{ scheme: "values", bits: 1, rows: 2, columns: 3, group: 3, scaleRows: 2 },
  codes: Uint8Array.of(0, 1, 1, 1, 0, 0),
  selectors: null,
  scales: null,
  ownTables: Float32Array.of(-1, 0.25, 7, 8),
};

const anyValues = fc
  .tuple(
    fc.record({
      rows: fc.integer({ min: 2, max: 9 }),
      columns: fc.constant(12),
      granularity: fc.constantFrom(4, "row" as const, "tensor" as const),
      bits: fc.integer({ min: 1, max: 8 }),
      tables: fc.integer({ min: 0, max: 16 }),
    }),
    seeds,
  )
  .map((chosen) => randomTabled(...chosen));

test("a code stands for its group's scale times the value of the table that the group selects", () => {
  expect([...dequantize(shared).data]).toEqual([-0.5, 0, 4, 0, 3, 3, 4, 1]);
});

test("with a table of its own, a row's codes stand for the values of that", () => {
  expect([...dequantize(own).data]).toEqual([-1, 0.25, 0.25, 8, 7, 7]);
});

test("selectors take as many bits as tell the tables apart, and are absent where there is one table", () => {
  // Selectors 0, 1, 0, 1; codes 0 1 3 2, 2 2 0 1, the first of four least significant.
  expect(weightTensors(shared)).toMatchObject({
    selectors: { dtype: "U8", shape: [1], bytes: Uint8Array.of(0b1010) },
    codes: { shape: [2], bytes: Uint8Array.of(0b10110100, 0b01001010) },
    scales: { dtype: "F16", shape: [2, 2] },
  });
  const one = { ...shared, tables: [[-1, 0, 1, 3]], selectors: new Uint8Array(4) };
  expect(Object.keys(weightTensors(one))).toEqual(["codes", "scales"]);
  expect(weightTensors(own)).toMatchObject({ tables: { dtype: "F16", shape: [2, 1, 2] } });
});

test("tensors give the scheme back, and its outline survives JSON", () => {
  fc.assert(
    fc.property(anyValues, (weight) => {
      const tensors = weightTensors(weight);
      const outline = parseOutline(JSON.parse(JSON.stringify(outlineOf(weight))), "here");
      expect(weightFromTensors(outline, (name) => tensors[name].bytes, "here")).toEqual(weight);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test("the tensors have exactly the stored bytes", () => {
  fc.assert(
    fc.property(anyValues, (weight) => {
      const bytes = Object.values(weightTensors(weight)).reduce((sum, each) => sum + each.bytes.length, 0);
      expect(bitsPerWeight(weight)).toBe((bytes * 8) / (weight.rows * weight.columns));
    }),
    { numRuns: 100, seed: 2 },
  );
});

test("the relative error is that of the values, with and without the addon", async () => {
  const weight = matrix(2, 3, Float32Array.of(-1, 0.25, 0.25, 8, 7, 4)); // differs by 3 in one place
  const expected = 3 / Math.sqrt(1 + 0.0625 + 0.0625 + 64 + 49 + 16);
  for (const kernels of [openKernels(), openKernels({ path: "reference" })])
    expect(await relativeError(weight, own, kernels)).toBeCloseTo(expected, 12);
});

test("its float numbers are scales, or the tables", () => {
  expect(numbersOf(shared)).toEqual([shared.scales]);
  expect(numbersOf(own)).toEqual([own.ownTables]);
});

describe("stored bits per weight, as published", () => {
  const grid = (group: number, scaleRows = 4096) => ({ rows: 4096, columns: 4096, group, scaleRows });
  const rising = (count: number) => Array.from({ length: count }, (_, i) => i);
  const four = (count: number) => Array.from({ length: 4 }, () => rising(count));
  const cases: [string, number, ValuesOutline][] = [
    ["4-bit values of 4 tables g128", 4.14, { scheme: "values", bits: 4, tables: four(16), ...grid(128) }],
    ["3-bit values of 4 tables g64", 3.28, { scheme: "values", bits: 3, tables: four(8), ...grid(64) }],
    ["4-bit values of one table g64", 4.25, { scheme: "values", bits: 4, tables: [rising(16)], ...grid(64) }],
    ["3-bit values of own tables row", 3.03, { scheme: "values", bits: 3, ...grid(4096) }],
    ["4-bit values of own tables row", 4.06, { scheme: "values", bits: 4, ...grid(4096) }],
    ["4-bit values of own tables tensor", 4, { scheme: "values", bits: 4, ...grid(4096, 1) }],
  ];
  test.each(cases)("%s: %f", (name, bits, outline) => {
    expect(describeWeight(outline)).toBe(name);
    expect(bitsPerWeight(outline)).toBeCloseTo(bits, 2);
  });
});

describe("an outline from a stranger is refused", () => {
  const sound = outlineOf(shared);
  test.each([
    ["a table longer than the codes reach", { ...sound, bits: 1 }, /3 values for codes of 1 bits/],
    ["a table that does not rise", { ...sound, tables: [[0, 1, 1]] }, /does not rise/],
    ["values beyond float32's precision", { ...sound, tables: [[0, 0.1]] }, /no float32 values/],
    ["values beyond float32's range", { ...sound, tables: [[0, 1e39]] }, /no float32 values/],
    ["a value that is no number", { ...sound, tables: [[0, null]] }, /tables/],
    ["no tables", { ...sound, tables: [] }, /tables/],
    ["a table of one value", { ...sound, tables: [[0]] }, /tables/],
    ["too many tables", { ...sound, tables: Array(17).fill([0, 1]) }, /tables/],
    ["no bits", { ...sound, bits: 0 }, /bits/],
    ["nine bits", { ...sound, bits: 9 }, /bits/],
    ["a group that does not divide", { ...sound, group: 3 }, /does not divide/],
    ["scales for half the rows", { ...sound, rows: 8, scaleRows: 4 }, /rows of scales/],
    ["a key too many", { ...sound, planes: 1 }, /planes/],
  ])("%s", (_, outline, reason) => {
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(LuthierError);
    expect(() => parseOutline(outline, "file.safetensors")).toThrow(reason);
  });
});

describe("tensors from a stranger are refused", () => {
  const reader = (weight: ValuesScheme) => (name: string, bytes: Uint8Array) => {
    const tensors = weightTensors(weight);
    return weightFromTensors(outlineOf(weight), (each) => (each === name ? bytes : tensors[each].bytes), "f");
  };

  test("of any wrong length", () => {
    for (const weight of [shared, own]) {
      for (const [name, { bytes }] of Object.entries(weightTensors(weight))) {
        for (const length of [0, bytes.length - 1, bytes.length + 1])
          expect(() => reader(weight)(name, new Uint8Array(length)), `${name} ${length}`).toThrow(
            LuthierError,
          );
      }
    }
  });

  test("with a code beyond its group's table, or a selector beyond the tables", () => {
    // Code 3 in the first group, whose table has three values.
    expect(() => reader(shared)("codes", Uint8Array.of(0b10110111, 0))).toThrow(/code is beyond/);
    const three: ValuesScheme = { ...shared, tables: [...(shared.tables ?? []), [0, 1]] };
    expect(() => reader(three)("selectors", Uint8Array.of(0b11))).toThrow(/selector is beyond/);
  });
});
