import { type Matrix, matrix } from "../tensor/matrix.js";
import { type ScaleGrid, scaleBits, scaleCount } from "./scheme.js";

/** Uniform codes of `bits` bits: `w = scale · (code − zeroPoint)`. */
export interface IntOutline extends ScaleGrid {
  readonly scheme: "int";
  /** Bits of a code, 1 to 8. */
  readonly bits: number;
  /** Symmetric weights have no stored zero point: it is `2^(bits−1)` everywhere. */
  readonly symmetric: boolean;
}

export interface IntScheme extends IntOutline {
  /** `[N, K]`, one code a byte, `0 … 2^bits − 1`. */
  readonly codes: Uint8Array;
  /** `[scaleRows, K / group]`; values that a float16 holds exactly, unless one scale serves the tensor. */
  readonly scales: Float32Array;
  /** `[scaleRows, K / group]`, `0 … 2^bits − 1`; null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
}

/** Stored bits of the weight, scales and zero points included. */
export function intBits(outline: IntOutline): number {
  const perScale = scaleBits(outline) + (outline.symmetric ? 0 : outline.bits);
  return outline.rows * outline.columns * outline.bits + scaleCount(outline) * perScale;
}

/** The weight that the codes stand for, `[N, K]`, each value rounded once to float32. */
export function dequantizeInt(weight: IntScheme): Matrix {
  const { rows, columns, group, scaleRows, codes, scales, zeroPoints } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  const symmetricZero = 2 ** (weight.bits - 1);
  for (let row = 0; row < rows; row++) {
    const firstScale = scaleRows === 1 ? 0 : row * groupsPerRow;
    for (let column = 0; column < columns; column++) {
      const at = firstScale + Math.floor(column / group);
      const zeroPoint = zeroPoints === null ? symmetricZero : zeroPoints[at];
      out.data[row * columns + column] = scales[at] * (codes[row * columns + column] - zeroPoint);
    }
  }
  return out;
}
