import { float16ToNumber, numberToFloat16 } from "../tensor/float.js";

/** Alternations after the greedy start, where a task does not say. */
export const usualRounds = 15;

/** What to approximate: runs of `group` consecutive weights by sums of signs. */
export interface BcqTask {
  readonly group: number;
  /** 1 to 4. */
  readonly planes: number;
  /** Whether each run gets an offset beside its scales. */
  readonly offset: boolean;
  /** Alternations after the greedy start; `usualRounds` by default, 0 leaves it as it is. */
  readonly rounds?: number;
  /** Powers of two that a scale is the sum of; any scale by default. */
  readonly powersOfTwo?: number;
}

export interface BcqResult {
  /** `[planes, weights]`, each −1 or 1. */
  readonly codes: Int8Array;
  /** `[planes, runs]`; float16 values ≥ 0, descending over the planes of a run. */
  readonly scales: Float32Array;
  /** `[runs]`, float16 values; null without offsets. */
  readonly offsets: Float32Array | null;
}

/** Where the squared residual of a solve is that small a part of the right side's square, the rest is rounding. */
const settled = 1e-24;

/**
 * Binary-coding quantization, `w ≈ Σ_p α_p b_p (+ z)` with b_p = ±1 for runs of `group` weights: the greedy start and
 * the 15 alternating rounds of LUT-GEMM's `examples/bcq.py` (naver-aics/lut-gemm; arXiv 2206.09557 §3.1, after Xu et
 * al., arXiv 1802.00150). The reference of the native kernel.
 *
 * What the code leaves to its library is fixed here: residuals and levels in float32, all sums in float64 in index
 * order, sign(0) = +1, a weight in the middle of two levels takes the upper one, equal levels stay in the order of their
 * signs. Its solver's absolute guards of 1e-6 depend on the unit of the weights; here a solve ends where its residual is
 * rounding. An offset is one more coefficient, of a plane of ones; the greedy start takes the mean for it.
 *
 * Where scales are sums of powers of two (ShiftAddLLM, arXiv 2406.05981 §4.1 and `additive_power_of_2` of
 * GATECH-EIC/ShiftAddLLM), each α of a solve is replaced by the greedy sum of that many: of what is left the power nearest
 * on a scale of logarithms, with its sign. The greedy start is left as it is, as there, unless nothing follows it.
 *
 * At the end α and z are rounded to float16 and the signs are chosen once more, nearest for what is stored. A sum of n
 * powers of two stays one of at most n: rounding drops the least, or moves what is left by one unit of its last place.
 */
export function bcq(weights: Float32Array, task: BcqTask): BcqResult {
  const { group, planes, offset } = task;
  const runs = weights.length / group;
  const codes = new Int8Array(planes * weights.length);
  const scales = new Float32Array(planes * runs);
  const offsets = offset ? new Float32Array(runs) : null;
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const stored = asFloat16(fitRun(w, task));
    const signs = nearestSigns(w, stored);
    for (let plane = 0; plane < planes; plane++) {
      scales[plane * runs + run] = stored.scales[plane];
      const to = plane * weights.length + run * group;
      for (let i = 0; i < group; i++) codes[to + i] = signOf(signs[i], plane);
    }
    if (offsets) offsets[run] = stored.offset;
  }
  return { codes, scales, offsets };
}

/** α, falling, and z, which is 0 without an offset. */
interface Coefficients {
  readonly scales: readonly number[];
  readonly offset: number;
}

interface Fit {
  readonly coefficients: Coefficients;
  /** `[group]`: bit p of a weight's signs is set where plane p is +1. */
  readonly signs: Uint8Array;
}

function fitRun(
  w: Float32Array,
  { planes, offset, rounds = usualRounds, powersOfTwo }: BcqTask,
): Coefficients {
  let { signs, coefficients }: Fit = greedy(w, planes, offset);
  const stored = (found: Coefficients) => (powersOfTwo ? asPowers(found, powersOfTwo) : found);
  // The mean magnitude of a single plane is the optimum already.
  if (rounds === 0 || (planes === 1 && !offset)) return stored(coefficients);
  for (let round = 0; round < rounds; round++) {
    coefficients = stored(solve(w, signs, coefficients, offset));
    signs = nearestSigns(w, coefficients);
  }
  return coefficients;
}

/** One plane after another: the sign and the mean magnitude of what is left. */
function greedy(w: Float32Array, planes: number, offset: boolean): Fit {
  const signs = new Uint8Array(w.length);
  const mean = offset ? w.reduce((sum, value) => sum + value, 0) / w.length : 0;
  const rest = offset ? w.map((value) => value - Math.fround(mean)) : w.slice();
  const scales: number[] = [];
  for (let plane = 0; plane < planes; plane++) {
    const scale = rest.reduce((sum, value) => sum + Math.abs(value), 0) / w.length;
    const step = Math.fround(scale);
    for (let i = 0; i < w.length; i++) {
      if (rest[i] >= 0) signs[i] |= 1 << plane;
      rest[i] -= rest[i] >= 0 ? step : -step;
    }
    scales.push(scale);
  }
  return { signs, coefficients: { scales, offset: mean } };
}

/** The α and z of least Σ(w − ŵ)² for these signs; α made positive and falling, which the next choice of signs undoes. */
function solve(w: Float32Array, signs: Uint8Array, from: Coefficients, offset: boolean): Coefficients {
  const planes = from.scales.length;
  const size = planes + (offset ? 1 : 0);
  const code = (i: number, column: number) => (column < planes ? signOf(signs[i], column) : 1);
  const columns = Array.from({ length: size }, (_, column) => column);
  const gram = columns.map((a) =>
    columns.map((b) => signs.reduce((sum, _, i) => sum + code(i, a) * code(i, b), 0)),
  );
  const right = columns.map((a) => w.reduce((sum, value, i) => sum + code(i, a) * value, 0));
  const found = conjugateGradient(gram, right, offset ? [...from.scales, from.offset] : from.scales);
  const scales = found.slice(0, planes).map(Math.abs);
  return { scales: scales.sort((a, b) => b - a), offset: offset ? found[planes] : 0 };
}

/** `A x = b` in as many steps as there are unknowns, from `start` on; where A is singular, x stays near the start. */
function conjugateGradient(
  a: readonly (readonly number[])[],
  b: readonly number[],
  start: readonly number[],
): number[] {
  const x = [...start];
  const residual = b.map((value, i) => value - dot(a[i], x));
  let direction = [...residual];
  let squares = dot(residual, residual);
  const enough = settled * dot(b, b);
  for (let step = 0; step < x.length && squares > enough; step++) {
    const image = a.map((row) => dot(row, direction));
    const length = squares / dot(direction, image);
    for (let i = 0; i < x.length; i++) {
      x[i] += length * direction[i];
      residual[i] -= length * image[i];
    }
    const previous = squares;
    squares = dot(residual, residual);
    direction = direction.map((value, i) => residual[i] + (squares / previous) * value);
  }
  return x;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** For every weight the signs of the nearest of the 2^planes levels, by binary search between their middles. */
function nearestSigns(w: Float32Array, coefficients: Coefficients): Uint8Array {
  const levels = sortedLevels(coefficients);
  const middles = levels
    .slice(1)
    .map(({ value }, i) => Math.fround(Math.fround(levels[i].value + value) * 0.5));
  return Uint8Array.from(w, (value) => {
    let low = 0;
    let high = middles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value >= middles[middle]) low = middle + 1;
      else high = middle;
    }
    return levels[low].signs;
  });
}

function sortedLevels({ scales, offset }: Coefficients): { signs: number; value: number }[] {
  return Array.from({ length: 2 ** scales.length }, (_, signs) => {
    const sum = scales.reduce((sum, scale, plane) => sum + signOf(signs, plane) * scale, 0);
    return { signs, value: Math.fround(sum + offset) };
  }).sort((a, b) => a.value - b.value);
}

function signOf(signs: number, plane: number): -1 | 1 {
  return (signs >> plane) & 1 ? 1 : -1;
}

function asPowers({ scales, offset }: Coefficients, powers: number): Coefficients {
  return { scales: scales.map((scale) => sumOfPowers(scale, powers)).sort((a, b) => b - a), offset };
}

/** One power of two after another, each the nearest to what is left. */
function sumOfPowers(value: number, powers: number): number {
  let [sum, rest] = [0, value];
  for (let i = 0; i < powers; i++) {
    const power = Math.sign(rest) * nearestPower(Math.abs(rest));
    sum += power;
    rest -= power;
  }
  return sum;
}

const double = new Float64Array(1);
const words = new BigUint64Array(double.buffer);

/** The power of two nearest to x > 0 on a scale of logarithms; 0 below the least normal number. */
function nearestPower(x: number): number {
  double[0] = x;
  words[0] &= 0x7ff0000000000000n;
  return x > double[0] * Math.SQRT2 ? double[0] * 2 : double[0];
}

function asFloat16({ scales, offset }: Coefficients): Coefficients {
  const round = (value: number) => float16ToNumber(numberToFloat16(value));
  return { scales: scales.map(round), offset: round(offset) };
}
