import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { ownTables } from "../../src/kernels/own-tables.js";
import type { CalibrationInputs } from "../../src/quantizers/calibrated-quantizer.js";
import { kMeans } from "../../src/quantizers/k-means.js";
import { squeeze } from "../../src/quantizers/squeeze.js";
import type { ValuesScheme } from "../../src/schemes/values.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { randomInput } from "../targets/random-weights.js";

const kernels = openKernels();

test("what an input's channel is worth is its second moment over all batches", async () => {
  const weight = randomInput(6, 12, 1);
  const batches = [1, 4].map((tokens) => matrix(tokens, 12, randomInput(tokens, 12, tokens).data));
  const moments = new Float64Array(12);
  for (const { rows, data } of batches)
    for (let i = 0; i < rows * 12; i++) moments[i % 12] += data[i] ** 2 / 5;
  const expected = ownTables(weight.data, { group: 12, values: 4, importance: moments });
  expect(await squeezed(weight, batches, { bits: 2 })).toMatchObject({
    ...{ codes: expected.codes, ownTables: expected.tables, scales: null, selectors: null },
    ...{ scheme: "values", bits: 2, rows: 6, columns: 12, group: 12, scaleRows: 6 },
  });
});

test("outputs of inputs of unlike channels are nearer than with plain k-means", async () => {
  const weight = randomInput(32, 64, 2);
  const input = matrix(200, 64, randomInput(200, 64, 3).data);
  for (let i = 0; i < input.data.length; i++) input.data[i] *= 1 + (i % 64) ** 2 / 100;
  const outputError = (scheme: ValuesScheme) => {
    const approximation = dequantize(scheme).data;
    let sum = 0;
    for (let token = 0; token < 200; token++)
      for (let row = 0; row < 32; row++) {
        let difference = 0;
        for (let k = 0; k < 64; k++)
          difference +=
            (approximation[row * 64 + k] - weight.data[row * 64 + k]) * input.data[token * 64 + k];
        sum += difference ** 2;
      }
    return sum;
  };
  const plain = await kMeans.quantize(weight, { bits: 3, group: "row" }, kernels);
  expect(outputError(await squeezed(weight, [input], { bits: 3 }))).toBeLessThan(0.8 * outputError(plain));
});

test("inputs that are all zero count the same: it is k-means then", async () => {
  const weight = randomInput(4, 16, 4);
  const found = await squeezed(weight, [matrix(3, 16)], { bits: 2 });
  expect(found).toEqual(await kMeans.quantize(weight, { bits: 2, group: "row" }, kernels));
});

test("an input that is not finite is refused by the linear's name and channel", async () => {
  const input = matrix(1, 4, Float32Array.of(1, 1, Number.NaN, 1));
  await expect(squeezed(randomInput(2, 4, 5), [input], {})).rejects.toThrow(LuthierError);
  await expect(squeezed(randomInput(2, 4, 5), [input], {})).rejects.toThrow(/up_proj .*channel 2/);
});

test("a group that does not divide the inputs is refused before any work", () => {
  const shape = { rows: 4, columns: 100, attention: null };
  expect(() => squeeze.outline(shape, squeeze.options.parse({ group: 64 }))).toThrow(RangeError);
});

async function squeezed(
  weight: Matrix,
  quantized: readonly Matrix[],
  options: object,
): Promise<ValuesScheme> {
  const linear = {
    name: "model.up_proj",
    rows: weight.rows,
    columns: weight.columns,
    attention: null,
    weight,
  };
  const inputs: CalibrationInputs = {
    quantized,
    async *float() {
      yield* quantized;
    },
  };
  const context = { seed: 0, kernels };
  const [found] = await squeeze.quantize([linear], inputs, squeeze.options.parse(options), context);
  return found as ValuesScheme;
}
