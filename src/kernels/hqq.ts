import { float16ToNumber, numberToFloat16 } from "../tensor/float.js";
import { roundHalfToEven } from "./round-to-nearest.js";

/** What to quantize: runs of `group` consecutive weights, one scale and zero point a run. */
export interface HqqTask {
  readonly group: number;
  /** 1 to 8. */
  readonly bits: number;
  /** What an error is measured in before it is shrunk: `weights` as published, or `steps` of its run's grid. */
  readonly shrink: HqqUnit;
}

export type HqqUnit = "weights" | "steps";

export interface HqqResult {
  /** One code a weight, `0 … 2^bits − 1`. */
  readonly codes: Uint8Array;
  /** One a run; a float16 value, never zero. */
  readonly scales: Float32Array;
  /** One a run; a float16 value, infinite where the run is too far from zero for its range. */
  readonly zeroPoints: Float32Array;
}

const rounds = 20;

/** A run of a smaller range has no grid of its own: its inverse scale is 1. */
const leastRange = Math.fround(1e-4);

const leastZeroPoint = 2 ** -9;

/** The largest inverse scale, so that its inverse is a float16. */
const mostInverse = 2e4;

/**
 * HQQ (mobiusml/hqq, `core/quantize.py` and the proximal solver of `core/optimize.py`): uniform codes with a zero point
 * that is not rounded, `w ≈ scale · (code − zeroPoint)`. The reference of the native kernel.
 *
 * The scale is that of the run's range. Only the zero point is fitted, in up to 20 rounds: codes for it; their errors
 * shrunk towards a sparse E, `sign(e) · max(|e| − |e|^(p−1) / β, 0)` with p = 0.7 and β = 10; then the mean of
 * `code − (w − E) · S`, with S the inverse scale. The rounds end for all weights together, where the mean error has not
 * fallen; the zero points of that last round are kept. All as the authors' solver has it, whose κ never takes part.
 *
 * E is nothing where |e|^1.3 ≤ 1/β, so up to |e| = 0.17. Errors of a language model's weights are a tenth of that and
 * less: there the published solver does no more than centre the errors of each run. With `steps` e is counted in steps of
 * the grid, so that β means the same whatever the unit of the weights.
 *
 * Float32 throughout, half to even; sums in float64 in index order. Scale and zero point are rounded to float16, and the
 * codes are nearest for what is stored. Two things are stored otherwise than there, and stand for the same: a run without a
 * grid of its own has the scale |c| and the zero point ∓1 of its mean c, not 1 and −c; and a zero point within 1/512 of 0
 * is 0. So the product of both, which kernels take in place of a zero point, tells every zero point apart in float32.
 */
export function hqq(weights: Float32Array, task: HqqTask): HqqResult {
  const { group, bits } = task;
  const runs = Array.from({ length: weights.length / group }, (_, run) =>
    startOf(weights.subarray(run * group, (run + 1) * group), bits),
  );
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const error = runs.reduce((sum, run) => sum + improve(run, task), 0);
    if (!(error < least)) break;
    least = error;
  }
  const codes = new Uint8Array(weights.length);
  const scales = Float32Array.from(runs, ({ isFlat, inverse, zero }) =>
    Math.max(toFloat16(isFlat ? Math.abs(zero) : Math.fround(1 / inverse)), 2 ** -24),
  );
  const zeroPoints = Float32Array.from(runs, ({ isFlat, zero }) =>
    isFlat ? Math.sign(zero) : Math.abs(zero) < leastZeroPoint ? 0 : toFloat16(zero),
  );
  for (let i = 0; i < codes.length; i++) {
    const run = Math.floor(i / group);
    codes[i] = codeOf(Math.fround(weights[i] / scales[run]), zeroPoints[run], bits);
  }
  return { codes, scales, zeroPoints };
}

interface Run {
  readonly w: Float32Array;
  /** Its range is too small for a grid. */
  readonly isFlat: boolean;
  /** S: steps of the grid in a unit of weight. */
  readonly inverse: number;
  zero: number;
}

function startOf(w: Float32Array, bits: number): Run {
  let [min, max] = [w[0], w[0]];
  for (const value of w) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const range = Math.fround(max - min);
  const isFlat = !(range > leastRange);
  const inverse = isFlat ? 1 : Math.min(Math.fround((2 ** bits - 1) / range), mostInverse);
  return { w, isFlat, inverse, zero: Math.fround(0 - Math.fround(min * inverse)) };
}

/** One round: moves the zero point, and gives the sum of the errors before. */
function improve(run: Run, { bits, shrink }: HqqTask): number {
  const { w, inverse, zero } = run;
  let [magnitudes, sum] = [0, 0];
  for (const value of w) {
    const code = codeOf(Math.fround(value * inverse), zero, bits);
    const error = Math.fround(value - Math.fround(Math.fround(code - zero) / inverse));
    magnitudes += Math.abs(error);
    const sparse =
      shrink === "weights" ? shrunk(error) : Math.fround(shrunk(Math.fround(error * inverse)) / inverse);
    sum += Math.fround(code - Math.fround(Math.fround(value - sparse) * inverse));
  }
  run.zero = Math.fround(sum / w.length);
  return magnitudes;
}

function codeOf(steps: number, zero: number, bits: number): number {
  return Math.min(Math.max(roundHalfToEven(Math.fround(steps + zero)), 0), 2 ** bits - 1);
}

/** `sign(e) · max(|e| − |e|^−0.3 / β, 0)`. */
function shrunk(error: number): number {
  const magnitude = Math.abs(error);
  const rest = Math.fround(magnitude - Math.fround(powerMinusThreeTenths(magnitude) * tenth));
  return rest > 0 ? (error < 0 ? -rest : rest) : 0;
}

const bitsOf = new Int32Array(1);
const floatOf = new Float32Array(bitsOf.buffer);

/**
 * `x^−0.3 = (x³)^−0.1` in float32 steps that a vector unit can repeat bit for bit: the root starts from the exponent bits
 * and takes four Newton steps `y ← y · (1.1 − 0.1 · a · y^10)`. x is taken to be at least 2^-10 and at most 2^20: beyond,
 * what is shrunk is 0, or hardly anything is taken off.
 */
function powerMinusThreeTenths(x: number): number {
  const bounded = Math.min(Math.max(x, 2 ** -10), 2 ** 20);
  const a = Math.fround(Math.fround(bounded * bounded) * bounded);
  floatOf[0] = a;
  bitsOf[0] = firstRoot - Math.trunc(Math.fround(Math.fround(bitsOf[0]) * tenth));
  let y = floatOf[0];
  for (let step = 0; step < 4; step++) {
    const square = Math.fround(y * y);
    const fourth = Math.fround(square * square);
    const tenthPower = Math.fround(Math.fround(fourth * fourth) * square);
    y = Math.fround(y * Math.fround(elevenTenths - Math.fround(tenth * Math.fround(a * tenthPower))));
  }
  return y;
}

/** 1.1 times the bits of 1, less what brings the start nearest on the whole. */
const firstRoot = 1_171_450_000;

const tenth = Math.fround(0.1); // 1/β too
const elevenTenths = Math.fround(1.1);

function toFloat16(value: number): number {
  return float16ToNumber(numberToFloat16(value));
}
