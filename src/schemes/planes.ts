import { z } from "zod";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { packTrits, tritsPerByte, unpackTrits } from "./codes.js";
import { type ScaleGrid, scaleCount, scaleDtype, scalesFromBytes, scalesToBytes } from "./scale-grid.js";

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
  /** `[planes, scaleRows, K / group]`; values of `scaleDtype`. */
  readonly scales: Float32Array;
}

/** Trit planes over a grid of scales. */
export function tritsOutline(planes: number, grid: ScaleGrid): PlanesOutline {
  return { scheme: "planes", alphabet: "trits", planes, ...grid };
}

/** An outline as a file states it; the shape is checked against the grid by whoever knows the linear. */
export const planesOutline = z.strictObject({
  scheme: z.literal("planes"),
  rows: z.int().positive(),
  columns: z.int().positive(),
  group: z.int().positive(),
  scaleRows: z.int().positive(),
  scaleDtype: z.literal("F32").optional(),
  alphabet: z.literal("trits"),
  planes: z.int().min(1).max(8),
});

/** The weight that the planes stand for, `[N, K]`: the planes' terms added in plane order, rounded once to float32. */
export function dequantizePlanes(weight: PlanesScheme): Matrix {
  const { rows, columns, group, scaleRows, planes, codes, scales } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  const planeScales = scaleRows * groupsPerRow;
  const planeCodes = rows * columns;
  for (let run = 0, at = 0; at < planeCodes; run++) {
    const scale = scaleRows === 1 ? run % groupsPerRow : run;
    for (const end = at + group; at < end; at++) {
      let sum = 0;
      for (let plane = 0; plane < planes; plane++) {
        sum += scales[plane * planeScales + scale] * codes[plane * planeCodes + at];
      }
      out.data[at] = sum;
    }
  }
  return out;
}

/** The tensors of a file: `codes`, five trits a byte over all planes, and `scales`. */
export function planesTensors(weight: PlanesScheme): Tensors {
  const codes = packTrits(weight.codes);
  return {
    codes: { dtype: "U8", shape: [codes.length], bytes: codes },
    scales: {
      dtype: scaleDtype(weight),
      shape: [weight.planes, weight.scaleRows, weight.columns / weight.group],
      bytes: scalesToBytes(weight, weight.scales),
    },
  };
}

/** @throws RangeError when a tensor does not fit the outline. */
export function planesFromTensors(
  outline: PlanesOutline,
  bytesOf: (name: string) => Uint8Array,
): PlanesScheme {
  const trits = outline.planes * outline.rows * outline.columns;
  const codes = unpackTrits(bytesOf("codes"), trits);
  const scales = scalesFromBytes(outline, bytesOf("scales"), outline.planes * scaleCount(outline));
  return { ...outline, codes, scales };
}

/** Stored bytes of trits (1.6 bits each) and scales. */
export function planesBytes(outline: PlanesOutline): number {
  const trits = outline.planes * outline.rows * outline.columns;
  const scaleBytes = scaleDtype(outline) === "F32" ? 4 : 2;
  return Math.ceil(trits / tritsPerByte) + outline.planes * scaleCount(outline) * scaleBytes;
}
