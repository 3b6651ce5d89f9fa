import { z } from "zod";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { packSigns, packTrits, tritsPerByte, unpackSigns, unpackTrits } from "./codes.js";
import {
  gridFields,
  type ScaleGrid,
  scaleCount,
  scaleDtype,
  scalesFromBytes,
  scalesToBytes,
} from "./scale-grid.js";

/** What a plane holds: trits {−1, 0, 1}, or signs {−1, 1}. */
export type Alphabet = "trits" | "signs";

/** `W ≈ Σ_p α_p ⊙ P_p (+ offset)`, each plane of trits or of signs. */
export interface PlanesOutline extends ScaleGrid {
  readonly scheme: "planes";
  readonly alphabet: Alphabet;
  /** Number of planes. */
  readonly planes: number;
  /** Present when each scale of the grid has an offset beside it. */
  readonly offset?: true;
}

export interface PlanesScheme extends PlanesOutline {
  /** `[planes, N, K]`, each a letter of the alphabet. */
  readonly codes: Int8Array;
  /** `[planes, scaleRows, K / group]`; values of `scaleDtype`. */
  readonly scales: Float32Array;
  /** `[scaleRows, K / group]`; values of `scaleDtype`; present with `offset`. */
  readonly offsets?: Float32Array;
}

/** Trit planes over a grid of scales. */
export function tritsOutline(planes: number, grid: ScaleGrid): PlanesOutline {
  return { scheme: "planes", alphabet: "trits", planes, ...grid };
}

/** Sign planes over a grid of scales. */
export function signsOutline(planes: number, offset: boolean, grid: ScaleGrid): PlanesOutline {
  return { scheme: "planes", alphabet: "signs", planes, ...grid, ...(offset && { offset }) };
}

/** Why a target that takes nothing but trits without an offset does not take these planes; null when it does. */
export function beyondTrits({ alphabet, offset }: PlanesOutline): string | null {
  if (alphabet !== "trits") return `its planes hold ${alphabet}, this target takes trits`;
  return offset ? "its planes have an offset, which this target does not add" : null;
}

/** An outline as a file states it; the shape is checked against the grid by whoever knows the linear. */
export const planesOutline = z.strictObject({
  scheme: z.literal("planes"),
  ...gridFields,
  alphabet: z.enum(["trits", "signs"]),
  planes: z.int().min(1).max(8),
  offset: z.literal(true).optional(),
});

/**
 * The weight that the planes stand for, `[N, K]`: the planes' terms added in plane order, then the offset, rounded once
 * to float32.
 */
export function dequantizePlanes(weight: PlanesScheme): Matrix {
  const { rows, columns, group, scaleRows, planes, codes, scales, offsets } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  const planeScales = scaleRows * groupsPerRow;
  const planeCodes = rows * columns;
  for (let run = 0, at = 0; at < planeCodes; run++) {
    const scale = scaleRows === 1 ? run % groupsPerRow : run;
    const offset = offsets ? offsets[scale] : 0;
    for (const end = at + group; at < end; at++) {
      let sum = 0;
      for (let plane = 0; plane < planes; plane++) {
        sum += scales[plane * planeScales + scale] * codes[plane * planeCodes + at];
      }
      out.data[at] = sum + offset;
    }
  }
  return out;
}

/** The tensors of a file: `codes` over all planes, `scales`, and `offsets` where the outline has them. */
export function planesTensors(weight: PlanesScheme): Tensors {
  const codes = weight.alphabet === "trits" ? packTrits(weight.codes) : packSigns(weight.codes);
  const dtype = scaleDtype(weight);
  const grid = [weight.scaleRows, weight.columns / weight.group];
  return {
    codes: { dtype: "U8", shape: [codes.length], bytes: codes },
    scales: { dtype, shape: [weight.planes, ...grid], bytes: scalesToBytes(weight, weight.scales) },
    ...(weight.offsets && {
      offsets: { dtype, shape: grid, bytes: scalesToBytes(weight, weight.offsets) },
    }),
  };
}

/** @throws RangeError when a tensor does not fit the outline. */
export function planesFromTensors(
  outline: PlanesOutline,
  bytesOf: (name: string) => Uint8Array,
): PlanesScheme {
  const count = outline.planes * outline.rows * outline.columns;
  const unpack = outline.alphabet === "trits" ? unpackTrits : unpackSigns;
  const codes = unpack(bytesOf("codes"), count);
  const scales = scalesFromBytes(outline, bytesOf("scales"), outline.planes * scaleCount(outline));
  if (!outline.offset) return { ...outline, codes, scales };
  return {
    ...outline,
    codes,
    scales,
    offsets: scalesFromBytes(outline, bytesOf("offsets"), scaleCount(outline)),
  };
}

/** Stored bytes of codes (1.6 bits a trit, one a sign), scales and offsets. */
export function planesBytes(outline: PlanesOutline): number {
  const codes = outline.planes * outline.rows * outline.columns;
  const scaleBytes = scaleDtype(outline) === "F32" ? 4 : 2;
  const perScale = outline.planes + (outline.offset ? 1 : 0);
  return (
    Math.ceil(codes / (outline.alphabet === "trits" ? tritsPerByte : 8)) +
    perScale * scaleCount(outline) * scaleBytes
  );
}
