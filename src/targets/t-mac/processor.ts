import { roundHalfToEven } from "../../kernels/round-to-nearest.js";
import { fusedMultiplyAdd, fusedMultiplyAddFloat16, roundToFloat16 } from "../../tensor/float.js";

/*
 * What the two builds of T-MAC's kernels do differently: float32 with AVX2, float16 with NEON (microsoft/T-MAC,
 * python/t_mac/intrins/lut_ctor.cc). All else is in arithmetic.ts, for both.
 */

export type FloatFormat = "float32" | "float16";

/** A processor's floating point, and the order in which its kernels sum. */
export interface Processor {
  /** To the format of inputs, tables' scales, sums and outputs. */
  readonly round: (x: number) => number;
  /** `a · b + c`, rounded once. */
  readonly fusedMultiplyAdd: (a: number, b: number, c: number) => number;
  /** Σ|x| of four inputs, each given as its magnitude. */
  readonly sumOfMagnitudes: (a: number, b: number, c: number, d: number) => number;
  /** A bias and eight sums more. */
  readonly addLanes: (bias: number, lanes: Float32Array) => number;
  /** A table entry in units of its scale. */
  readonly toInt8: (x: number) => number;
}

const x86: Processor = {
  round: Math.fround,
  fusedMultiplyAdd,
  sumOfMagnitudes: (a, b, c, d) => Math.fround(Math.fround(a + b) + Math.fround(c + d)),
  // In the order of `_mm256_addv_ps`: halves, then pairs, then neighbours.
  addLanes(bias, v) {
    const four = [0, 1, 2, 3].map((lane) => Math.fround(v[lane + 4] + v[lane]));
    const two = [Math.fround(four[0] + four[2]), Math.fround(four[1] + four[3])];
    return Math.fround(bias + Math.fround(two[0] + two[1]));
  },
  // A subnormal scale can have an infinite reciprocal; the products, ±∞ and NaN alike, become the least INT32.
  toInt8: (x) => (Number.isFinite(x) ? saturated(roundHalfToEven(x)) : -128),
};

const arm: Processor = {
  round: roundToFloat16,
  fusedMultiplyAdd: fusedMultiplyAddFloat16,
  sumOfMagnitudes: (a, b, c, d) => roundToFloat16(roundToFloat16(roundToFloat16(a + b) + c) + d),
  // The lanes are taken out as scalars, which C adds in float32 (ACLE: `__fp16` is a storage format).
  addLanes(bias, v) {
    const sum = v.reduce((total, lane) => Math.fround(total + lane));
    return roundToFloat16(Math.fround(bias + sum));
  },
  // `vcvtnq_s16_f16` and `vqmovn_s16` saturate, and make 0 of NaN.
  toInt8: (x) => (Number.isNaN(x) ? 0 : saturated(Number.isFinite(x) ? roundHalfToEven(x) : x)),
};

/** By the format of its floating point. */
export const processors: Readonly<Record<FloatFormat, Processor>> = { float32: x86, float16: arm };

function saturated(x: number): number {
  return Math.max(-128, Math.min(127, x));
}
