import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { gptq } from "../../src/quantizers/gptq.js";
import type { IntScheme } from "../../src/schemes/int.js";
import { dequantize } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { inputsOf, linearOf, proxyLoss } from "./calibration-inputs.js";
import { bellShaped, correlated, squaredDistance, timesTransposed } from "./random-matrix.js";

/** What all methods with error compensation have in common, seen through GPTQ. */
const kernels = openKernels();
const [rows, columns, group] = [20, 48, 16];
const x = correlated(300, columns, 1);
const weight = bellShaped(rows, columns, 2);

const quantized = async (
  w: Matrix,
  inputs: Matrix,
  options: object,
  { float = inputs, using = kernels } = {},
): Promise<IntScheme> => {
  const given = { ...gptq.options.parse({ bits: 3, group }), ...options };
  const context = { seed: 0, kernels: using };
  const [scheme] = await gptq.quantize([linearOf("o_proj", w)], inputsOf(inputs, float), given, context);
  return scheme as IntScheme;
};

describe("order", () => {
  test("`groups` is the columns put in order by hand: groups by their moments, and so the columns of each", async () => {
    const scaled = scaledColumns(x);
    const moments = momentsOf(scaled);
    const sums = [0, 1, 2].map((g) => moments.slice(g * group, (g + 1) * group).reduce((a, b) => a + b));
    const order = [0, 1, 2]
      .sort((a, b) => sums[b] - sums[a])
      .flatMap((g) =>
        Array.from({ length: group }, (_, i) => g * group + i).sort((a, b) => moments[b] - moments[a]),
      );
    const found = await quantized(weight, scaled, { order: "groups" });
    const byHand = await quantized(taken(weight, order), taken(scaled, order), { order: "none" });
    expect(taken(dequantize(found), order)).toEqual(dequantize(byHand));
    const first = [0, 1, 2].map((g) => order[g * group] / group).map(Math.floor);
    for (let row = 0; row < rows; row++)
      for (let g = 0; g < 3; g++) expect(found.scales[row * 3 + first[g]]).toBe(byHand.scales[row * 3 + g]);
  });

  test("`groups` and `none` are the same where moments fall", async () => {
    const falling = matrix(
      x.rows,
      columns,
      x.data.map((value, at) => value / 1.5 ** (at % columns)),
    );
    expect(await quantized(weight, falling, { order: "groups" })).toEqual(
      await quantized(weight, falling, { order: "none" }),
    );
  });

  test("`static` has the levels of the weights as they were", async () => {
    const found = await quantized(weight, scaledColumns(x), { order: "static" });
    const { scales, zeroPoints } = await kernels.roundToNearest(weight.data, {
      ...{ group, bits: 3, symmetric: false, clip: false },
    });
    expect(found.scales).toEqual(scales);
    expect(found.zeroPoints).toEqual(zeroPoints);
  });
});

describe("aim", () => {
  const noise = bellShaped(x.rows, columns, 5);
  const changed = matrix(
    x.rows,
    columns,
    x.data.map((value, i) => value + 0.4 * noise.data[i]),
  );

  test("`float` comes nearer to what the float model gives on its own inputs", async () => {
    const wanted = timesTransposed(x, weight).data;
    const errors = [];
    for (const aim of ["own", "float"]) {
      const found = await quantized(weight, changed, { aim, bits: 4 }, { float: x });
      errors.push(squaredDistance(timesTransposed(changed, dequantize(found)).data, wanted));
    }
    expect(errors[1]).toBeLessThan(0.9 * errors[0]);
  });

  test("`own` does not ask for the float model's inputs", async () => {
    const inputs = {
      quantized: [x],
      float: () => {
        throw new Error("asked");
      },
    };
    const options = gptq.options.parse({ group });
    await gptq.quantize([linearOf("o_proj", weight)], inputs, options, { seed: 0, kernels });
  });

  test("both are one where the models are", async () => {
    const [own, float] = [
      await quantized(weight, x, { aim: "own" }),
      await quantized(weight, x, { aim: "float" }),
    ];
    expect(float.codes).toEqual(own.codes);
  });
});

test("linears of one input are quantized as each by itself", async () => {
  const linears = [linearOf("q", bellShaped(8, columns, 3)), linearOf("k", bellShaped(12, columns, 4))];
  for (const aim of ["own", "float"]) {
    const options = gptq.options.parse({ group, aim });
    const together = await gptq.quantize(linears, inputsOf(x), options, { seed: 0, kernels });
    for (const [at, linear] of linears.entries()) {
      const alone = await gptq.quantize([linear], inputsOf(x), options, { seed: 0, kernels });
      expect(together[at]).toEqual(alone[0]);
    }
  }
});

test("an input that is always zero has weights of zero", async () => {
  const dead = matrix(
    x.rows,
    columns,
    x.data.map((value, at) => (at % columns === 5 ? 0 : value)),
  );
  for (const order of ["none", "groups", "static"]) {
    const { data } = dequantize(await quantized(weight, dead, { order }));
    for (let row = 0; row < rows; row++) expect(data[row * columns + 5]).toBe(0);
    expect(data.filter((value) => value !== 0).length).toBeGreaterThan((rows * columns) / 2);
  }
});

test("second moments that are not positive definite get as much damping as they need", async () => {
  const few = correlated(5, columns, 6); // of rank 5
  const found = dequantize(await quantized(weight, few, { damping: 0 }));
  expect(found.data.every(Number.isFinite)).toBe(true);
  const rounded = await kernels.roundToNearest(weight.data, {
    ...{ group, bits: 3, symmetric: false, clip: false },
  });
  const plain = dequantize({ ...(await quantized(weight, few, {})), ...rounded });
  expect(proxyLoss(few, weight, found)).toBeLessThan(0.5 * proxyLoss(few, weight, plain));
});

describe("is refused by name:", () => {
  test("inputs that are not finite", async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const broken = matrix(x.rows, columns, x.data.slice());
      broken.data[7] = value;
      await expect(quantized(weight, broken, {})).rejects.toThrow(LuthierError);
      await expect(quantized(weight, broken, {})).rejects.toThrow(
        /the input of o_proj is not finite at channel 7/,
      );
    }
  });

  test("weights that are not finite, and weights beyond a float16 scale", async () => {
    const changed = (value: number) => matrix(rows, columns, weight.data.with(3, value));
    await expect(quantized(changed(Number.NaN), x, {})).rejects.toThrow(
      "o_proj has weights that are not finite",
    );
    await expect(quantized(changed(1e9), x, {})).rejects.toThrow("o_proj has weights too large");
  });
});

test("the same bytes on every path and with any number of threads", async () => {
  const run = (path: "reference" | undefined, threads: number) =>
    quantized(weight, x, { aim: "float" }, { using: openKernels({ path, threads }) });
  const once = await run(undefined, 1);
  expect(await run(undefined, 3)).toEqual(once);
  expect(await run("reference", 1)).toEqual(once);
});

/** Columns of very different size, in no order. */
function scaledColumns({ rows, columns, data }: Matrix): Matrix {
  const scaled = data.map((value, at) => value * (1 + (((at % columns) * 29) % columns) / 4));
  return matrix(rows, columns, scaled);
}

function momentsOf({ rows, columns, data }: Matrix): number[] {
  return Array.from({ length: columns }, (_, column) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += data[row * columns + column] ** 2;
    return sum;
  });
}

/** Some columns of a matrix. */
function taken({ rows, columns, data }: Matrix, order: readonly number[]): Matrix {
  const out = matrix(rows, order.length);
  for (let row = 0; row < rows; row++)
    for (const [at, column] of order.entries())
      out.data[row * order.length + at] = data[row * columns + column];
  return out;
}
