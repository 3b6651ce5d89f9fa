import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import type { CalibrationInputs, LinearToChooseFrom } from "../../src/quantizers/calibrated-quantizer.js";
import { gptq } from "../../src/quantizers/gptq.js";
import { mixLlm } from "../../src/quantizers/mixllm.js";
import { rtn } from "../../src/quantizers/rtn.js";
import type { PartsScheme } from "../../src/schemes/parts.js";
import { bitsPerWeight, dequantize, outlineOf, sameOutline } from "../../src/schemes/weights.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { bellShaped, correlated, timesTransposed } from "./random-matrix.js";

const kernels = openKernels();
const options = { share: 0.25, group: 8 };

const linear = (name: string, weight: Matrix, x: Matrix): LinearToChooseFrom => ({
  ...{ name, rows: weight.rows, columns: weight.columns, attention: null, weight },
  second: momentsOf(x),
});

const inputsOf = (...quantized: readonly Matrix[]): CalibrationInputs => ({ quantized, async *float() {} });

/** `Σ x xᵀ / tokens`. */
function momentsOf(x: Matrix): Matrix {
  const byChannel = matrix(
    x.columns,
    x.rows,
    Float32Array.from(
      { length: x.data.length },
      (_, i) => x.data[(i % x.rows) * x.columns + Math.floor(i / x.rows)],
    ),
  );
  const sums = timesTransposed(byChannel, byChannel);
  return matrix(
    x.columns,
    x.columns,
    sums.data.map((sum) => sum / x.rows),
  );
}

/** What rounding each row to 4 bits does to the linear's outputs, as a share of all of them: by computing both. */
async function sharesOf({ weight }: { readonly weight: Matrix }, x: Matrix): Promise<number[]> {
  const rounded = await rtn.quantize(weight, { bits: 4, symmetric: false, group: 8, clip: true }, kernels);
  const [exact, found] = [timesTransposed(x, weight).data, timesTransposed(x, dequantize(rounded)).data];
  const all = exact.reduce((sum, output) => sum + output ** 2, 0);
  const shares = new Array<number>(weight.rows).fill(0);
  for (const [at, output] of exact.entries()) shares[at % weight.rows] += (output - found[at]) ** 2 / all;
  return shares;
}

/** A weight of 16 inputs that 4 bits hold exactly. */
const even = (rows: number) =>
  matrix(
    rows,
    16,
    Float32Array.from({ length: rows * 16 }, (_, i) => [-8, 7, 0, 3, -5, 1, 2, -1][i % 8]),
  );

async function* each<T>(values: readonly T[]) {
  yield* values;
}

describe("rows of 8 bits", () => {
  const [x, y] = [correlated(40, 16, 1), bellShaped(40, 16, 2)];
  const linears = [
    linear("a", bellShaped(6, 16, 3), x),
    linear("b", bellShaped(10, 16, 4), y),
    linear("c", even(4), y),
  ];
  const chosen = mixLlm.chooseRows?.(each(linears), options, kernels);

  test("are those whose outputs change most by 4 bits, as a share of their linear, of all linears together", async () => {
    const errors = await Promise.all([
      sharesOf(linears[0], x),
      sharesOf(linears[1], y),
      sharesOf(linears[2], y),
    ]);
    const ranked = errors
      .flatMap((rows, at) => rows.map((error, row) => ({ name: linears[at].name, row, error })))
      .sort((a, b) => b.error - a.error)
      .slice(0, 5); // a quarter of 20
    const rows = await chosen;
    for (const { name } of linears) {
      const expected = ranked.flatMap((each) => (each.name === name ? each.row : [])).sort((a, b) => a - b);
      expect([...(rows?.get(name) ?? [])]).toEqual(expected);
    }
    expect([...(rows?.get("c") ?? [1])]).toEqual([]); // nothing is lost there: others need the bits
  });

  test("and all others are compensated apart, each with its own grid", async () => {
    const inputs = inputsOf(y);
    const [, b, c] = linears;
    const context = {
      seed: 0,
      kernels,
      chosenRows: new Map([
        ["b", Uint32Array.of(2, 7)],
        ["c", Uint32Array.of()],
      ]),
    };
    const [ofB, ofC] = (await mixLlm.quantize([b, c], inputs, options, context)) as PartsScheme[];
    expect([...ofB.indices]).toEqual([2, 7, 0, 1, 3, 4, 5, 6, 8, 9]);
    expect(ofB.parts.map(({ weight }) => weight)).toMatchObject([
      { bits: 8, symmetric: true, rows: 2, group: 8 },
      { bits: 4, symmetric: false, rows: 8, group: 8 },
    ]);
    // Rows are compensated alone: those of 4 bits are what GPTQ makes of the whole weight.
    const whole = gptq.options.parse({ bits: 4, group: 8, clip: true });
    const [plain] = await gptq.quantize([b], inputs, whole, context);
    const [found, expected] = [dequantize(ofB).data, dequantize(plain).data];
    for (const row of [0, 1, 3, 4, 5, 6, 8, 9])
      expect(found.subarray(row * 16, row * 16 + 16)).toEqual(expected.subarray(row * 16, row * 16 + 16));
    expect(ofC.parts.map(({ weight }) => weight)).toMatchObject([{ bits: 4, rows: 4 }]);
  });

  test.each([
    [0, [4]],
    [1, [8]],
  ])("a share of %i", async (share, bits) => {
    const schemes = await mixLlm.quantize(
      linears.slice(1),
      inputsOf(y),
      { share, group: 8 },
      { seed: 0, kernels },
    );
    for (const scheme of schemes as PartsScheme[])
      expect(scheme.parts.map(({ weight }) => "bits" in weight && weight.bits)).toEqual(bits);
  });

  test("without their model, linears of one input are ranked among themselves", async () => {
    const [b, c] = linears.slice(1);
    const [ofB, ofC] = (await mixLlm.quantize([b, c], inputsOf(y), options, {
      seed: 0,
      kernels,
    })) as PartsScheme[];
    expect(ofB.parts[0].weight.rows).toBe(3); // a quarter of 14, rounded down
    expect(ofC.parts).toHaveLength(1);
  });
});

test("the plan gives each linear its share, and foresees any other", async () => {
  const shape = { rows: 4096, columns: 4096, attention: null };
  const planned = mixLlm.outline(shape, { share: 0.1, group: 128 });
  // 4 + 24/128 for nine tenths, 8 + 16/128 for one, and an index a row.
  expect(bitsPerWeight(planned)).toBeCloseTo(0.9 * 4.1875 + 0.1 * 8.125 + 32 / 4096, 2);
  const small = linear("a", bellShaped(6, 16, 3), bellShaped(40, 16, 1));
  const inputs = inputsOf(bellShaped(40, 16, 1));
  for (const share of [0, 0.25, 1]) {
    const [made] = await mixLlm.quantize([small], inputs, { share, group: 8 }, { seed: 0, kernels });
    expect(sameOutline(mixLlm.outline(small, options), outlineOf(made))).toBe(true);
  }
});

test("a group that does not divide the inputs is refused before any work", () => {
  expect(() =>
    mixLlm.outline({ rows: 4, columns: 172, attention: null }, { share: 0.1, group: 128 }),
  ).toThrow(/a group of 128 does not divide its 172 inputs/);
});
