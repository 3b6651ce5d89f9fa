import { LuthierError } from "../../error.js";
import type { IntOutline, IntScheme } from "../../schemes/int.js";
import type { PlanesOutline, PlanesScheme } from "../../schemes/planes.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { damagedPack } from "../target.js";

/*
 * What the sign planes are multiplied with: α of each plane and one bias, in float16, from the scales of a scheme and
 * back. `w = Σ_b α_b B_b + bias`, B_b = ±1.
 */

export interface Coefficients {
  /** `[planes, N, K / group]`, float16 values. */
  readonly alpha: Float32Array;
  /** `[N, K / group]`, float16 values. */
  readonly bias: Float32Array;
}

/** Sign planes that a weight becomes: two a trit plane. */
export function signPlanes(weight: GridOutline): number {
  if (weight.scheme === "int") return weight.bits;
  return weight.alphabet === "trits" ? 2 * weight.planes : weight.planes;
}

/** Whether every group has a bias of its own; without one the bias is 0 or absent. */
export function hasBias(weight: GridOutline): boolean {
  return weight.scheme === "int" || weight.offset === true;
}

/** @throws LuthierError when a coefficient does not fit float16, or the scale or zero point could not be found again. */
export function coefficientsOf(weight: GridScheme): Coefficients {
  const coefficients = weight.scheme === "int" ? ofInt(weight) : ofPlanes(weight);
  for (const what of ["alpha", "bias"] as const) {
    const values = coefficients[what];
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0)
      throw unpackable(`${what} ${wrong} would be ${values[wrong]}: its scale is too large for float16`);
  }
  return coefficients;
}

/** `α_b = s · 2^b / 2` and `bias = Σ_b α_b − s · z` (`examples/rtn_parameter.py`): s(code − z) with code = Σ 2^b bit_b. */
function ofInt({ bits, symmetric, scales, zeroPoints }: IntScheme): Coefficients {
  const alpha = new Float32Array(bits * scales.length);
  const bias = new Float32Array(scales.length);
  for (const [i, scale] of scales.entries()) {
    if (scale === 0 && !symmetric) throw unpackable(`scale ${i} is 0 and would lose its zero point`);
    if (bits === 1 && 2 * intAlpha(scale, 0) !== scale)
      throw unpackable(`half of scale ${i}, ${scale}, is no float16 value`);
    for (let bit = 0; bit < bits; bit++) alpha[bit * scales.length + i] = intAlpha(scale, bit);
    bias[i] = intBias(scale, bits, zeroPoints ? zeroPoints[i] : 2 ** (bits - 1));
  }
  return { alpha, bias };
}

function intAlpha(scale: number, bit: number): number {
  return roundToFloat16(scale * 2 ** (bit - 1));
}

/**
 * `s(2^bits − 1 − 2z) / 2` in float16. Rounding leads at most 0.07 s away, so that each zero point keeps a bias of its
 * own; among the subnormals, whose step can be s itself, it goes down instead of to even for the same end.
 */
function intBias(scale: number, bits: number, zeroPoint: number): number {
  const exact = (scale * (2 ** bits - 1 - 2 * zeroPoint)) / 2;
  return Math.abs(exact) < 2 ** -14 ? Math.floor(exact * 2 ** 24) * 2 ** -24 : roundToFloat16(exact);
}

/** @throws LuthierError when the coefficients are none of integer codes. */
export function intScales(
  { alpha, bias }: Coefficients,
  { bits, symmetric }: IntOutline,
): Pick<IntScheme, "scales" | "zeroPoints"> {
  const count = bias.length;
  // α₁ is the scale itself. α₀ is half of it, rounded where the scale is subnormal.
  const scales = bits === 1 ? alpha.map((value) => 2 * value) : alpha.slice(count, 2 * count);
  const zeroPoints = symmetric ? null : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    for (let bit = 0; bit < bits; bit++) {
      const found = alpha[bit * count + i];
      if (intAlpha(scales[i], bit) !== found)
        throw damagedPack(`its alpha ${found} is not 2^${bit - 1} of the scale ${scales[i]}`);
    }
    const zeroPoint = zeroPointFrom(scales[i], bits, bias[i], symmetric);
    if (zeroPoints) zeroPoints[i] = zeroPoint;
  }
  return { scales, zeroPoints };
}

function zeroPointFrom(scale: number, bits: number, bias: number, symmetric: boolean): number {
  const levels = 2 ** bits;
  const near = symmetric ? levels / 2 : Math.round((levels - 1) / 2 - bias / scale);
  for (const zeroPoint of symmetric ? [near] : [near, near - 1, near + 1]) {
    const inRange = zeroPoint >= 0 && zeroPoint < levels;
    if (inRange && intBias(scale, bits, zeroPoint) === bias) return zeroPoint;
  }
  throw damagedPack(`its q_bias ${bias} belongs to no zero point of ${bits} bits and the scale ${scale}`);
}

/** `t · α = α/2 · (B₁ + B₂)` with trits 1 = ++, 0 = +−, −1 = −−. */
function ofPlanes({ planes, alphabet, scales, offsets }: PlanesScheme): Coefficients {
  const count = scales.length / planes;
  const bias = offsets?.slice() ?? new Float32Array(count);
  if (alphabet === "signs") return { alpha: scales.slice(), bias };
  const alpha = new Float32Array(2 * scales.length);
  for (const [i, scale] of scales.entries()) {
    const [plane, at] = [Math.floor(i / count), i % count];
    const [first, second] = halvesOf(scale);
    alpha[2 * plane * count + at] = first;
    alpha[(2 * plane + 1) * count + at] = second;
  }
  return { alpha, bias };
}

/** @throws LuthierError when the coefficients are none of planes. */
export function planesScales(
  { alpha, bias }: Coefficients,
  { alphabet, planes, offset }: PlanesOutline,
): Pick<PlanesScheme, "scales" | "offsets"> {
  const beside = offset ? { offsets: bias } : {};
  if (!offset && bias.some((value) => value !== 0))
    throw damagedPack("its q_bias is not 0, its weight has no offset");
  if (alphabet === "signs") return { scales: alpha, ...beside };
  const count = bias.length;
  const scales = new Float32Array(planes * count);
  for (let i = 0; i < scales.length; i++) {
    const [plane, at] = [Math.floor(i / count), i % count];
    const [first, second] = [alpha[2 * plane * count + at], alpha[(2 * plane + 1) * count + at]];
    scales[i] = first + second;
    const halves = halvesOf(scales[i]);
    if (halves[0] !== first || halves[1] !== second)
      throw damagedPack(`its alphas ${first} and ${second} are no halves of a trit plane's scale`);
  }
  return { scales, ...beside };
}

/** Two float16 values of the sum `scale`: its halves, or, where it is an odd multiple of 2^-24, those 2^-24 apart. */
function halvesOf(scale: number): readonly [number, number] {
  if (roundToFloat16(scale / 2) === scale / 2) return [scale / 2, scale / 2];
  return [(scale + 2 ** -24) / 2, (scale - 2 ** -24) / 2];
}

function unpackable(what: string): LuthierError {
  return new LuthierError(
    `lut-gemm cannot pack the weight: ${what}`,
    "quantize the linear again with a larger scale, or keep it float",
  );
}
