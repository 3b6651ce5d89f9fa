import { type Matrix, matrix } from "../tensor/matrix.js";
import { type ScaleGrid, scaleBits, scaleCount } from "./scheme.js";

/** `W ≈ Σ_p α_p ⊙ P_p`, each plane of trits {−1, 0, 1}. */
export interface PlanesOutline extends ScaleGrid {
  readonly scheme: "planes";
  readonly alphabet: "trits";
  /** Number of planes. */
  readonly planes: number;
}

export interface PlanesScheme extends PlanesOutline {
  /** `[planes, N, K]`, each −1, 0 or 1. */
  readonly codes: Int8Array;
  /** `[planes, scaleRows, K / group]`; values that a float16 holds exactly, unless one scale serves the tensor. */
  readonly scales: Float32Array;
}

/** Five trits fill a byte: 3^5 = 243. */
export const tritsPerByte = 5;

/** Stored bits of the weight at 1.6 bits a trit, scales included. */
export function planesBits(outline: PlanesOutline): number {
  const trits = outline.planes * outline.rows * outline.columns;
  return Math.ceil(trits / tritsPerByte) * 8 + outline.planes * scaleCount(outline) * scaleBits(outline);
}

/** The weight that the planes stand for, `[N, K]`: the planes' terms added in plane order, rounded once to float32. */
export function dequantizePlanes(weight: PlanesScheme): Matrix {
  const { rows, columns, group, scaleRows, planes, codes, scales } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let plane = 0; plane < planes; plane++) {
        const scaleRow = plane * scaleRows + (scaleRows === 1 ? 0 : row);
        const scale = scales[scaleRow * groupsPerRow + Math.floor(column / group)];
        sum += scale * codes[(plane * rows + row) * columns + column];
      }
      out.data[row * columns + column] = sum;
    }
  }
  return out;
}
