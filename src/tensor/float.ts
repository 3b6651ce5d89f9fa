import type { FloatDtype } from "./dtype.js";

/*
 * Widening of the 16- and 8-bit floats to float32, narrowing to them, and fused multiply-adds.
 * Widening is exact; narrowing rounds half to even, as IEEE 754 asks and as PyTorch does.
 */

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

/** @throws RangeError when `bytes` and `out` disagree in length. */
export function widen(dtype: FloatDtype, bytes: Uint8Array, out: Float32Array): void {
  const size = dtype === "F32" ? 4 : dtype === "F16" || dtype === "BF16" ? 2 : 1;
  if (bytes.length !== out.length * size) {
    throw new RangeError(
      `${out.length} values of ${dtype} need ${out.length * size} bytes, got ${bytes.length}`,
    );
  }
  switch (dtype) {
    case "F32":
      new Uint8Array(out.buffer, out.byteOffset, bytes.length).set(bytes);
      return;
    case "BF16": {
      const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
      for (let i = 0; i < out.length; i++) bits[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
      return;
    }
    case "F16":
      for (let i = 0; i < out.length; i++) out[i] = float16ToNumber(bytes[2 * i] | (bytes[2 * i + 1] << 8));
      return;
    case "F8_E4M3":
      for (let i = 0; i < out.length; i++) out[i] = e4m3[bytes[i]];
      return;
    case "F8_E5M2":
      // An E5M2 byte is the upper half of a float16.
      for (let i = 0; i < out.length; i++) out[i] = float16ToNumber(bytes[i] << 8);
      return;
  }
}

/** The value of a float16 bit pattern. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** The float16 bit pattern nearest to a float32 value, half to even; overflow becomes infinity. */
export function numberToFloat16(value: number): number {
  single[0] = value;
  const bits = word[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 aligns the value so that the float32 addition itself rounds to 2^-24, half to even.
    single[0] = Math.abs(value) + 0.5;
    return sign | (word[0] - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The nearest value that a float16 can hold, half to even, of any number: one rounding, not two by way of float32. */
export function roundToFloat16(value: number): number {
  double[0] = Math.abs(value);
  const exponent = Math.max((halves[1] >>> 20) - 1023, -14);
  if (exponent > 15) return Number.isNaN(value) ? value : Math.sign(value) * Number.POSITIVE_INFINITY;
  // In a sum with 1.5 · 2^52 units of the last place there is no room for fractions of one: the addition rounds.
  const large = 1.5 * 2 ** (42 + exponent);
  const magnitude = double[0] + large - large;
  const rounded = magnitude > 65504 ? Number.POSITIVE_INFINITY : magnitude;
  return value < 0 || Object.is(value, -0) ? -rounded : rounded;
}

// F8_E4M3 is the "fn" variant of OCP: bias 7, no infinities, S.1111.111 is NaN.
const e4m3 = Float32Array.from({ length: 256 }, (_, bits) => {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 0xf;
  const mantissa = bits & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
});

/** Bits of the fraction, the exponent of the least normal value, and the largest value. */
const float8 = {
  F8_E4M3: { fraction: 3, leastExponent: -6, largest: 448 },
  F8_E5M2: { fraction: 2, leastExponent: -14, largest: 57344 },
} as const;

/**
 * The nearest value that an 8-bit float can hold, half to even; beyond the largest one it saturates, as OCP's OFP8
 * conversion with saturation does. NaN and infinity stay what they are.
 */
export function roundToFloat8(dtype: keyof typeof float8, value: number): number {
  if (!Number.isFinite(value)) return value;
  const { fraction, leastExponent, largest } = float8[dtype];
  single[0] = Math.abs(value);
  const exponent = Math.max((word[0] >>> 23) - 127, leastExponent);
  const step = 2 ** (exponent - fraction);
  const steps = single[0] / step; // exact, below 2^(fraction + 1)
  const whole = Math.floor(steps);
  const up = steps - whole > 0.5 || (steps - whole === 0.5 && whole % 2 === 1);
  const magnitude = Math.min((up ? whole + 1 : whole) * step, largest);
  return value < 0 ? -magnitude : magnitude;
}

/**
 * `a · b + c` of float32 values rounded once to float32, as a hardware FMA does.
 *
 * The product of two float32 values is exact in float64. The sum is rounded to odd in float64 (Boldo & Melquiond,
 * "Emulation of a FMA and correctly rounded sums", 2008), after which the rounding to float32 is innocuous.
 */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const virtual = sum - product;
  const error = product - (sum - virtual) + (c - virtual);
  // Infinities and NaN have no error term to speak of: NaN !== 0 must not reach the bit arithmetic below.
  if (error === 0 || !Number.isFinite(sum) || !Number.isFinite(error)) return Math.fround(sum);
  double[0] = sum;
  if ((halves[0] & 1) === 0) {
    // The sum is inexact and even: step to its odd neighbour on the side of the error.
    const awayFromZero = error > 0 === sum > 0;
    if (awayFromZero) halves[0] |= 1;
    else if (halves[0] === 0) {
      halves[0] = -1;
      halves[1] -= 1;
    } else halves[0] -= 1;
  }
  return Math.fround(double[0]);
}

/**
 * `a · b + c` of float16 values rounded once to float16, as a GPU's half-precision FMA does.
 *
 * The product is exact in float64. Where the float64 sum is not, one term is less than 2^-30 of the other, too little to
 * bring the larger one, a float16 value or beyond that range, near a middle of two float16 values: so the rounding from
 * float64 is the only one. By way of float32 it would not be.
 */
export function fusedMultiplyAddFloat16(a: number, b: number, c: number): number {
  const sum = a * b + c;
  double[0] = sum;
  const exponent = ((halves[1] >>> 20) & 0x7ff) - 1023;
  const step = 2 ** (Math.max(exponent, -14) - 10);
  const magnitude = (Math.abs(sum) / step + 2 ** 52 - 2 ** 52) * step; // the addition rounds half to even
  const rounded = magnitude > 65504 ? Number.POSITIVE_INFINITY : magnitude;
  return sum < 0 || Object.is(sum, -0) ? -rounded : rounded;
}
