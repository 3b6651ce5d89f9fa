import { float16ToNumber, numberToFloat16 } from "../tensor/float.js";

/** What to round: runs of `group` consecutive weights, one scale (and zero point) a run. */
export interface RoundToNearestTask {
  readonly group: number;
  /** 1 to 8; at least 2 when symmetric. */
  readonly bits: number;
  readonly symmetric: boolean;
  /** Search the clipping range that has the least error instead of taking the run's full range. */
  readonly clip: boolean;
}

export interface RoundToNearestResult {
  /** One code a weight, `0 … 2^bits − 1`. */
  readonly codes: Uint8Array;
  /** One a run; a float16 value, never zero. */
  readonly scales: Float32Array;
  /** One a run, `0 … 2^bits − 1`; null when symmetric (the zero point is `2^(bits−1)`). */
  readonly zeroPoints: Uint8Array | null;
}

/** Shrink factors of the clip search: 1.00, 0.99 … 0.21 (GPTQ's `find_params` with grid 100 and maxshrink 0.8). */
const shrinks = Float32Array.from({ length: 80 }, (_, i) => 1 - i / 100);

/**
 * Round-to-nearest quantization, the reference of the native kernel: float32 throughout, half to even, error sums in
 * float64 in index order.
 *
 * Grid (IST-DASLab/gptq `Quantizer.find_params`): symmetric `s = max|w| / (2^(b−1) − 1)`; asymmetric
 * `s = (max − min) / (2^b − 1)` with `min ≤ 0 ≤ max`, `z = round(−min / s)`. An all-zero run takes the range ±1.
 * The scale is rounded to float16 before the codes are chosen, so the codes are nearest for the scale that is stored.
 */
export function roundToNearest(weights: Float32Array, task: RoundToNearestTask): RoundToNearestResult {
  const { group, symmetric } = task;
  const runs = weights.length / group;
  const codes = new Uint8Array(weights.length);
  const scales = new Float32Array(runs);
  const zeroPoints = symmetric ? null : new Uint8Array(runs);
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const grid = task.clip ? leastErrorGrid(w, task) : gridFor(rangeOf(w, symmetric), 1, task);
    scales[run] = grid.scale;
    if (zeroPoints) zeroPoints[run] = grid.zeroPoint;
    for (let i = 0; i < group; i++) codes[run * group + i] = codeOf(w[i], grid);
  }
  return { codes, scales, zeroPoints };
}

interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
  /** Lowest and highest code. */
  readonly low: number;
  readonly high: number;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function rangeOf(w: Float32Array, symmetric: boolean): Range {
  let min = 0;
  let max = 0;
  for (const value of w) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min === 0 && max === 0) return { min: -1, max: 1 };
  if (!symmetric) return { min, max };
  const magnitude = Math.max(-min, max);
  return { min: -magnitude, max: magnitude };
}

function gridFor({ min, max }: Range, shrink: number, { bits, symmetric }: RoundToNearestTask): Grid {
  const low = Math.fround(shrink * min);
  const high = Math.fround(shrink * max);
  if (symmetric) {
    const steps = 2 ** (bits - 1) - 1;
    const zeroPoint = 2 ** (bits - 1);
    return { scale: storedScale(high / steps), zeroPoint, low: zeroPoint - steps, high: zeroPoint + steps };
  }
  const steps = 2 ** bits - 1;
  const scale = storedScale(Math.fround(high - low) / steps);
  const zeroPoint = clamp(roundHalfToEven(Math.fround(-low / scale)), 0, steps);
  return { scale, zeroPoint, low: 0, high: steps };
}

/** A scale as it is stored: float16, and at least its smallest positive value, so that division by it is defined. */
function storedScale(scale: number): number {
  return Math.max(float16ToNumber(numberToFloat16(scale)), 2 ** -24);
}

function leastErrorGrid(w: Float32Array, task: RoundToNearestTask): Grid {
  const range = rangeOf(w, task.symmetric);
  let best = gridFor(range, 1, task);
  let least = errorOf(w, best);
  for (const shrink of shrinks.subarray(1)) {
    const grid = gridFor(range, shrink, task);
    const error = errorOf(w, grid);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

/** `Σ |ŵ − w|^2.4`, the norm of GPTQ's search. */
function errorOf(w: Float32Array, grid: Grid): number {
  let sum = 0;
  for (const value of w) {
    const dequantized = Math.fround(grid.scale * (codeOf(value, grid) - grid.zeroPoint));
    sum += powerTwoPointFour(Math.fround(dequantized - value));
  }
  return sum;
}

function codeOf(value: number, grid: Grid): number {
  const steps = roundHalfToEven(Math.fround(value / grid.scale));
  return clamp(steps + grid.zeroPoint, grid.low, grid.high);
}

/** Half to even by the float32 addition itself, exact for |x| < 2^22. */
export function roundHalfToEven(x: number): number {
  return Math.fround(Math.fround(x + 12582912) - 12582912); // 1.5 · 2^23
}

/** Which of the levels `minimum + step · k`, k = 0 … `levels`, is nearest to a value, half to even. */
export function nearestLevel(value: number, minimum: number, step: number, levels: number): number {
  return Math.max(0, Math.min(levels, roundHalfToEven((value - minimum) / step)));
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

const bitsOf = new Int32Array(1);
const floatOf = new Float32Array(bitsOf.buffer);

/**
 * `|e|^2.4 = e² · (e²)^(1/5)` in float32 steps that a vector unit can repeat bit for bit, which a library's `pow` is
 * not: the fifth root starts from the exponent bits and takes three Newton steps `y ← (4y + a / y⁴) / 5`.
 */
function powerTwoPointFour(error: number): number {
  const a = Math.fround(error * error);
  floatOf[0] = a;
  bitsOf[0] = Math.trunc(Math.fround(Math.fround(bitsOf[0]) * fifth)) + 852_000_000;
  let y = floatOf[0];
  for (let step = 0; step < 3; step++) {
    const square = Math.fround(y * y);
    const quotient = Math.fround(a / Math.fround(square * square));
    y = Math.fround(Math.fround(Math.fround(4 * y) + quotient) * fifth);
  }
  return Math.fround(a * y);
}

const fifth = Math.fround(0.2);
