import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bcq as reference } from "../../src/kernels/bcq.js";
import { openKernels } from "../../src/kernels/open.js";
import { bcq } from "../../src/quantizers/bcq.js";
import { dequantize } from "../../src/schemes/weights.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";
import { integers, seeds } from "../targets/random-weights.js";

const kernels = openKernels();
const chosen = (options: object) => bcq.options.parse(options) as Parameters<typeof bcq.quantize>[1];

test("one plane is the signs and their mean magnitude", async () => {
  const found = await bcq.quantize(
    row(1, -2, 3, -6),
    chosen({ planes: 1, group: 4, offset: false }),
    kernels,
  );
  expect(found).toMatchObject({ codes: Int8Array.of(1, -1, 1, -1), scales: Float32Array.of(3) });
});

test("a weight that is a sum of signs is found exactly", async () => {
  // ±4 ± 2 ± 1 takes the eight odd numbers from −7 to 7.
  const weight = row(7, -7, 5, -5, 3, -3, 1, -1);
  const found = await bcq.quantize(weight, chosen({ planes: 3, group: 8, offset: false }), kernels);
  expect([...found.scales]).toEqual([4, 2, 1]);
  expect([...dequantize(found).data]).toEqual([...weight.data]);
});

test("a uniform grid with a zero point is found exactly with an offset", async () => {
  // 0.5 · (code − 1): α = (0.5, 0.25), offset 0.25.
  const weight = row(-0.5, 0, 0.5, 1);
  const found = await bcq.quantize(weight, chosen({ planes: 2, group: 4, offset: true }), kernels);
  expect(found).toMatchObject({ scales: Float32Array.of(0.5, 0.25), offsets: Float32Array.of(0.25) });
  expect([...dequantize(found).data]).toEqual([...weight.data]);
});

test("a group of zeros has scales of zero; zero has the sign +", async () => {
  const found = await bcq.quantize(row(0, 0, 0, 0), chosen({ planes: 2, group: 4, offset: true }), kernels);
  expect(found).toMatchObject({ codes: new Int8Array(8).fill(1), scales: new Float32Array(2) });
});

test("scales are float16, positive, and fall over the planes of a group", async () => {
  const weight = random(8, 64, 3);
  const { scales } = await bcq.quantize(weight, chosen({ planes: 4, group: 32, offset: false }), kernels);
  expect(scales).toEqual(scales.map(roundToFloat16));
  for (let plane = 1; plane < 4; plane++)
    for (let run = 0; run < 16; run++)
      expect(scales[(plane - 1) * 16 + run]).toBeGreaterThanOrEqual(scales[plane * 16 + run]);
  expect(Math.min(...scales)).toBeGreaterThanOrEqual(0);
});

test("the fit does not depend on the unit of the weights", async () => {
  const weight = random(4, 64, 5);
  const small = matrix(
    4,
    64,
    weight.data.map((value) => value / 256),
  );
  const options = chosen({ planes: 3, group: 64, offset: true });
  const [a, b] = [await bcq.quantize(weight, options, kernels), await bcq.quantize(small, options, kernels)];
  expect(b.codes).toEqual(a.codes);
  expect([...b.scales]).toEqual([...a.scales].map((scale) => scale / 256));
});

test("an offset lessens the error of weights that lean to one side", async () => {
  const weight = random(8, 128, 6);
  for (let i = 0; i < weight.data.length; i++) weight.data[i] += 2;
  const error = async (offset: boolean) =>
    squaredError(await bcq.quantize(weight, chosen({ planes: 2, group: 128, offset }), kernels), weight);
  expect(await error(true)).toBeLessThan(0.8 * (await error(false)));
});

describe("scales that are sums of powers of two", () => {
  test.each([
    [1, 4],
    [2, 5],
    [3, 5.25],
  ])(
    "%i: 5.3 becomes %f, each power the nearest to what is left by its logarithm",
    async (powersOfTwo, scale) => {
      const found = await bcq.quantize(row(5.3, -5.3), chosen({ planes: 1, group: 2, powersOfTwo }), kernels);
      expect([...found.scales]).toEqual([scale]);
    },
  );

  test("what is left may be negative: 2.9 is 2 + 1 − 1/8", async () => {
    const found = await bcq.quantize(row(2.9, 2.9), chosen({ planes: 1, group: 2, powersOfTwo: 3 }), kernels);
    expect([...found.scales]).toEqual([2.875]);
  });

  test("no scale has more of them than asked for, as it is stored", async () => {
    for (const powersOfTwo of [1, 2, 3, 4]) {
      const options = chosen({ planes: 3, group: 16, powersOfTwo, rounds: 50 });
      const { scales } = await bcq.quantize(random(64, 64, 7), options, kernels);
      for (const scale of scales) expect(signedDigits(scale)).toBeLessThanOrEqual(powersOfTwo);
    }
  });

  test("any three powers of two stay no more than three when float16 rounds their sum", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -22, max: 8 }), fc.boolean()), { minLength: 1, maxLength: 3 }),
        (terms) => {
          const sum = terms.reduce((total, [exponent, minus]) => total + (minus ? -1 : 1) * 2 ** exponent, 0);
          expect(signedDigits(Math.abs(roundToFloat16(sum)))).toBeLessThanOrEqual(terms.length);
        },
      ),
      { numRuns: 2000, seed: 3 },
    );
  });

  test("more of them lose less, and three hardly more than any scale", async () => {
    const weight = random(32, 128, 8);
    const error = async (powersOfTwo?: number) =>
      squaredError(
        await bcq.quantize(weight, chosen({ planes: 3, group: 128, powersOfTwo }), kernels),
        weight,
      );
    const [one, two, three, any] = [await error(1), await error(2), await error(3), await error()];
    expect(one).toBeGreaterThan(two);
    expect(two).toBeGreaterThan(three);
    expect(three).toBeLessThan(1.02 * any);
  });
});

/** Powers of two, added or taken off, that a number is the sum of at least: its digits other than 0 of −1, 0, 1 (Reitwieser). */
function signedDigits(value: number): number {
  let [count, rest] = [0, value * 2 ** 24];
  expect(Number.isInteger(rest)).toBe(true);
  for (; rest !== 0; rest /= 2) {
    if (rest % 2 === 0) continue;
    rest -= rest % 4 === 1 ? 1 : -1;
    count++;
  }
  return count;
}

describe("against exhaustive search on tiny groups", () => {
  const group = fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 3 }), seeds);

  test("never worse than the greedy fit, but for the scales' rounding", () => {
    fc.assert(
      fc.property(group, ([length, planes, seed]) => {
        const w = random(1, length, seed).data;
        expect(errorOf(w, planes)).toBeLessThanOrEqual(greedyError(w, planes) + 1e-5 * energy(w));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("never better than the best of all signs, and often as good", () => {
    let ratios = 0;
    const weights = Array.from({ length: 40 }, (_, seed) => random(1, 5, seed + 1).data);
    for (const w of weights) {
      const [found, least] = [errorOf(w, 2), leastError(w)];
      expect(found).toBeGreaterThanOrEqual(least - 1e-5 * energy(w));
      ratios += found <= least + 1e-5 * energy(w) ? 1 : 0;
    }
    expect(ratios / weights.length).toBeGreaterThan(0.25);
  });

  test("every weight has the nearest level of its group", () => {
    fc.assert(
      fc.property(group, ([length, planes, seed]) => {
        const w = random(1, length, seed).data;
        const { codes, scales } = reference(w, { group: length, planes, offset: false });
        const levels = allSigns(planes).map((signs) => signs.reduce((sum, s, p) => sum + s * scales[p], 0));
        for (let i = 0; i < length; i++) {
          const own = Array.from({ length: planes }, (_, p) => codes[p * length + i] * scales[p]);
          const distance = Math.abs(w[i] - own.reduce((sum, term) => sum + term, 0));
          const least = Math.min(...levels.map((level) => Math.abs(w[i] - level)));
          expect(distance).toBeLessThanOrEqual(least * (1 + 1e-6) + 1e-6);
        }
      }),
      { numRuns: 200, seed: 2 },
    );
  });
});

function row(...values: number[]): Matrix {
  return matrix(1, values.length, Float32Array.from(values));
}

function random(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  const draw = () => (next(1000) + next(1000) + next(1000) - 1500) / 500;
  return matrix(rows, columns, Float32Array.from({ length: rows * columns }, draw));
}

function squaredError(scheme: Parameters<typeof dequantize>[0], weight: Matrix): number {
  return dequantize(scheme).data.reduce((sum, value, i) => sum + (value - weight.data[i]) ** 2, 0);
}

function energy(w: Float32Array): number {
  return w.reduce((sum, value) => sum + value * value, 0);
}

function errorOf(w: Float32Array, planes: number): number {
  const { codes, scales } = reference(w, { group: w.length, planes, offset: false });
  return w.reduce((total, value, i) => {
    let level = 0;
    for (let p = 0; p < planes; p++) level += codes[p * w.length + i] * scales[p];
    return total + (value - level) ** 2;
  }, 0);
}

function greedyError(w: Float32Array, planes: number): number {
  let rest = [...w];
  for (let p = 0; p < planes; p++) {
    const mean = rest.reduce((sum, value) => sum + Math.abs(value), 0) / rest.length;
    rest = rest.map((value) => value - (value >= 0 ? mean : -mean));
  }
  return rest.reduce((sum, value) => sum + value * value, 0);
}

/** Two planes: for every choice of signs the least-squares α in closed form. */
function leastError(w: Float32Array): number {
  const choices = allSigns(w.length);
  let least = Number.POSITIVE_INFINITY;
  for (const a of choices) {
    for (const b of choices) {
      const ab = a.reduce((sum, sign, i) => sum + sign * b[i], 0);
      const [aw, bw] = [a, b].map((signs) => signs.reduce((sum, sign, i) => sum + sign * w[i], 0));
      const n = w.length;
      const explained =
        Math.abs(ab) === n ? aw ** 2 / n : (n * aw ** 2 - 2 * ab * aw * bw + n * bw ** 2) / (n * n - ab * ab);
      least = Math.min(least, energy(w) - explained);
    }
  }
  return least;
}

function allSigns(count: number): readonly number[][] {
  return Array.from({ length: 2 ** count }, (_, bits) =>
    Array.from({ length: count }, (_, i) => ((bits >> i) & 1 ? 1 : -1)),
  );
}
