import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { bitmod } from "../../src/quantizers/bitmod.js";
import { compensatedValues } from "../../src/quantizers/compensated-values.js";
import { kMeans } from "../../src/quantizers/k-means.js";
import { nf4 } from "../../src/quantizers/nf4.js";
import { powerOfTwo } from "../../src/quantizers/power-of-two.js";
import type { ValuesScheme } from "../../src/schemes/values.js";
import { dequantize, outlineOf } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated } from "./random-matrix.js";

const kernels = openKernels();

async function quantized(weight: Matrix, x: Matrix, given: object): Promise<ValuesScheme> {
  const options = compensatedValues.options.parse(given);
  const context = { seed: 0, kernels };
  const [scheme] = await compensatedValues.quantize([linearOf("o", weight)], inputsOf(x), options, context);
  return scheme as ValuesScheme;
}

/** The same values by the quantizer that looks at weights alone. */
const alone: [object, (weight: Matrix, group: number) => Promise<ValuesScheme>][] = [
  [
    { values: "bitmod", bits: 3 },
    (w, group) => bitmod.quantize(w, { bits: 3, group, values: "bitmod" }, kernels),
  ],
  [
    { values: "bitmod", bits: 4 },
    (w, group) => bitmod.quantize(w, { bits: 4, group, values: "bitmod" }, kernels),
  ],
  [{ values: "nf4", bits: 4 }, (w, group) => nf4.quantize(w, { group }, kernels)],
  [{ values: "power-of-two", bits: 3 }, (w, group) => powerOfTwo.quantize(w, { bits: 3, group }, kernels)],
  [{ values: "k-means", bits: 2 }, (w, group) => kMeans.quantize(w, { bits: 2, group }, kernels)],
];

test.each(alone)("%o lose less of the outputs than those fitted to weights alone", async (given, plain) => {
  const [x, weight] = [correlated(300, 96, 1), bellShaped(16, 96, 2)];
  const found = await quantized(weight, x, { ...given, group: 32 });
  expect(proxyLoss(x, weight, dequantize(found))).toBeLessThan(
    0.75 * proxyLoss(x, weight, dequantize(await plain(weight, 32))),
  );
});

test.each(alone)(
  "%o are those fitted to weights alone on inputs that know nothing of each other",
  async (given, plain) => {
    const identity = matrix(64, 64);
    for (let i = 0; i < 64; i++) identity.data[i * 65] = 8;
    const weight = bellShaped(12, 64, 3);
    const found = await quantized(weight, identity, { ...given, group: 16 });
    const expected = await plain(weight, 16);
    expect(dequantize(found)).toEqual(dequantize(expected));
    expect(outlineOf(found)).toEqual(outlineOf(expected));
    expect(found.selectors).toEqual(expected.selectors);
    expect(found.scales).toEqual(expected.scales);
    expect(found.ownTables).toEqual(expected.ownTables);
  },
);

test("a row as one group has one scale, or one table", async () => {
  const [x, weight] = [correlated(200, 48, 4), bellShaped(8, 48, 5)];
  for (const values of ["bitmod", "k-means"]) {
    const found = await quantized(weight, x, { values, group: "row" });
    expect(found).toMatchObject({ group: 48, scaleRows: 8 });
    expect(found.scales?.length ?? (found.ownTables as Float32Array).length / 16).toBe(8);
  }
});

test("the scheme is as its outline says", async () => {
  for (const values of ["bitmod", "nf4", "power-of-two", "k-means"]) {
    const options = compensatedValues.options.parse({ values, group: 16 });
    const outline = compensatedValues.outline({ rows: 4, columns: 32, attention: null }, options);
    expect(outlineOf(await quantized(bellShaped(4, 32, 6), correlated(80, 32, 7), options))).toEqual(outline);
  }
});

test.each([
  { values: "bitmod", bits: 2 },
  { values: "nf4", bits: 3 },
  { values: "power-of-two", bits: 6 },
])("%o: values that there are not are refused before any work", (given) => {
  const options = compensatedValues.options.parse(given);
  const outline = () => compensatedValues.outline({ rows: 4, columns: 128, attention: null }, options);
  expect(outline).toThrow(LuthierError);
  expect(outline).toThrow(`no ${given.values} values of ${given.bits} bits`);
});
