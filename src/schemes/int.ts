import { z } from "zod";
import { numberToFloat16, widen } from "../tensor/float.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { TensorBytes, Tensors } from "../tensor/tensor.js";
import { packCodes, unpackCodes } from "./codes.js";
import {
  gridFields,
  type ScaleGrid,
  scaleCount,
  scaleDtype,
  scalesFromBytes,
  scalesToBytes,
} from "./scale-grid.js";

/** Uniform codes of `bits` bits: `w = scale · (code − zeroPoint)`. */
export interface IntOutline extends ScaleGrid {
  readonly scheme: "int";
  /** Bits of a code, 1 to 8. */
  readonly bits: number;
  /** Symmetric weights have no stored zero point: it is `2^(bits−1)` everywhere. */
  readonly symmetric: boolean;
  /** Present where zero points are any float16 values, not codes (HQQ). */
  readonly zeroPointDtype?: "F16";
}

export interface IntScheme extends IntOutline {
  /** `[N, K]`, one code a byte, `0 … 2^bits − 1`. */
  readonly codes: Uint8Array;
  /** `[scaleRows, K / group]`; values of `scaleDtype`. */
  readonly scales: Float32Array;
  /** `[scaleRows, K / group]`, `0 … 2^bits − 1`, or float16 values with `zeroPointDtype`; null when symmetric. */
  readonly zeroPoints: Uint8Array | Float32Array | null;
}

/** Zero points as layouts of whole codes take them. @throws RangeError when they are no codes. */
export function codedZeroPoints({ zeroPoints }: IntScheme): Uint8Array | null {
  if (zeroPoints instanceof Float32Array) throw new RangeError("zero points that are no codes");
  return zeroPoints;
}

/** An outline as a file states it; the shape is checked against the grid by whoever knows the linear. */
export const intOutline = z.strictObject({
  scheme: z.literal("int"),
  ...gridFields,
  bits: z.int().min(1).max(8),
  symmetric: z.boolean(),
  zeroPointDtype: z.literal("F16").optional(),
});

/** Why an outline is none; null when it is sound. */
export function intFault({ symmetric, zeroPointDtype }: IntOutline): string | null {
  return symmetric && zeroPointDtype ? "symmetric weights have no zero points" : null;
}

/** The weight that the codes stand for, `[N, K]`, each value rounded once to float32. */
export function dequantizeInt(weight: IntScheme): Matrix {
  const { rows, columns, group, scaleRows, codes, scales, zeroPoints } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  const symmetricZero = 2 ** (weight.bits - 1);
  for (let run = 0, at = 0; at < codes.length; run++) {
    const scale = scaleRows === 1 ? run % groupsPerRow : run;
    const zeroPoint = zeroPoints === null ? symmetricZero : zeroPoints[scale];
    for (const end = at + group; at < end; at++) out.data[at] = scales[scale] * (codes[at] - zeroPoint);
  }
  return out;
}

/** The tensors of a file: `codes` in `bits` bits each, `scales`, and `zero_points` unless symmetric. */
export function intTensors(weight: IntScheme): Tensors {
  const scaleShape = [weight.scaleRows, weight.columns / weight.group];
  const codes = packCodes(weight.codes, weight.bits);
  return {
    codes: { dtype: "U8", shape: [codes.length], bytes: codes },
    scales: { dtype: scaleDtype(weight), shape: scaleShape, bytes: scalesToBytes(weight, weight.scales) },
    ...(weight.zeroPoints && { zero_points: zeroPointTensor(weight.zeroPoints, scaleShape) }),
  };
}

function zeroPointTensor(zeroPoints: Uint8Array | Float32Array, shape: readonly number[]): TensorBytes {
  if (zeroPoints instanceof Uint8Array) return { dtype: "U8", shape, bytes: zeroPoints };
  const bytes = new Uint8Array(Uint16Array.from(zeroPoints, numberToFloat16).buffer);
  return { dtype: "F16", shape, bytes };
}

/** @throws RangeError when a tensor does not fit the outline or a value is out of its range. */
export function intFromTensors(outline: IntOutline, bytesOf: (name: string) => Uint8Array): IntScheme {
  const count = scaleCount(outline);
  const codes = unpackCodes(bytesOf("codes"), outline.bits, outline.rows * outline.columns);
  const scales = scalesFromBytes(outline, bytesOf("scales"), count);
  if (outline.symmetric) return { ...outline, codes, scales, zeroPoints: null };
  if (outline.zeroPointDtype === "F16") {
    const zeroPoints = new Float32Array(count);
    widen("F16", bytesOf("zero_points"), zeroPoints);
    return { ...outline, codes, scales, zeroPoints };
  }
  const zeroPoints = bytesOf("zero_points");
  if (zeroPoints.length !== count)
    throw new RangeError(`${zeroPoints.length} zero points, expected ${count}`);
  if (zeroPoints.some((zero) => zero >= 2 ** outline.bits))
    throw new RangeError("a zero point exceeds its bits");
  return { ...outline, codes, scales, zeroPoints };
}

/** Stored bytes of codes, scales and zero points. */
export function intBytes(outline: IntOutline): number {
  const zeroPointBytes = outline.symmetric ? 0 : outline.zeroPointDtype === "F16" ? 2 : 1;
  const perScale = (scaleDtype(outline) === "F32" ? 4 : 2) + zeroPointBytes;
  return Math.ceil((outline.rows * outline.columns * outline.bits) / 8) + scaleCount(outline) * perScale;
}
