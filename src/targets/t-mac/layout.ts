import type { PlanesScheme } from "../../schemes/planes.js";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import type { Aggregation } from "./lookups.js";
import type { FloatFormat } from "./processor.js";
import {
  intGrids,
  packScales,
  readScales,
  refuseUnpackable,
  unpackGrids,
  unroundedScales,
  zeroPointsOf,
} from "./scales.js";

/*
 * The bytes that T-MAC's kernels read (python/t_mac/weights.py of microsoft/T-MAC). README.md draws them.
 *
 * A linear is one pass of `bits`-bit codes, or one two-bit pass a trit plane whose outputs are added.
 */

/** How one linear is laid out, all choices made. */
export interface Layout {
  readonly bits: number;
  readonly passes: number;
  /** Expanded rows (outputs × bits) of a tile, `bm`. */
  readonly tileRows: number;
  /** Groups of four inputs that are walked before the next rows: `kfactor`. */
  readonly kFactor: number;
  /** Inputs that share one table scale; `token`: all of them. */
  readonly activationGroup: number | "token";
  /** The processor's floating point: float32 of x86, float16 of ARM. */
  readonly float: FloatFormat;
  readonly aggregation: Aggregation;
}

/** One pass as the kernels take it. */
export interface Pass {
  /** `[tiles, K / 4, tileRows / 2]` bytes. */
  readonly weight: Uint8Array;
  /** `[tiles, K / group, outputs of a tile]`; with zeros `[…, outputs of a tile / 8, 2, 8]`; or one for the tensor. */
  readonly scales: Float32Array;
}

/** Inputs behind one table index. */
export const inputsPerIndex = 4;

/** Where everything of one `[N, K]` pass lies. */
interface Geometry extends Layout {
  readonly rows: number;
  readonly columns: number;
}

/** @throws LuthierError when a scale is not finite, too large for the format, or 0 where a zero point hangs on it. */
export function packWeight(weight: GridScheme, layout: Layout): Tensors {
  refuseUnpackable(weight, layout);
  const geometry = { ...layout, rows: weight.rows, columns: weight.columns };
  const passes =
    weight.scheme === "int"
      ? [{ codes: weight.codes, grids: intGrids(weight, layout) }]
      : planePasses(weight);
  const shape = weightShape(weight, layout);
  return Object.fromEntries([
    ...passes.flatMap(({ codes, grids }, pass) => [
      [`pass${pass}.weight`, { dtype: "U8", shape, bytes: packCodes(codes, geometry) }],
      [`pass${pass}.scales`, packScales(grids, weight, layout)],
    ]),
    ...Object.entries(unroundedScales(weight, layout)),
  ]);
}

/** @throws LuthierError when a pass is missing or is not as the layout says. */
export function passesOf(tensors: Tensors, outline: GridOutline, layout: Layout): readonly Pass[] {
  return Array.from({ length: layout.passes }, (_, pass) => ({
    weight: tensorOf(tensors, `pass${pass}.weight`, "U8", weightShape(outline, layout)).bytes,
    scales: readScales(tensors, pass, outline, layout),
  }));
}

function weightShape({ rows, columns }: GridOutline, { bits, tileRows }: Layout): readonly number[] {
  return [(rows * bits) / tileRows, columns / inputsPerIndex, tileRows / 2];
}

/** @throws LuthierError when the tensors do not fit the layout or hold what no weight is packed into. */
export function unpackWeight(tensors: Tensors, outline: GridOutline, layout: Layout): GridScheme {
  const geometry = { ...layout, rows: outline.rows, columns: outline.columns };
  const passes = passesOf(tensors, outline, layout);
  const grids = unpackGrids(tensors, passes, outline, layout);
  if (outline.scheme === "int") {
    const codes = codesOf(passes[0].weight, geometry);
    const [scales, zeros] = grids[0];
    if (outline.symmetric) return { ...outline, codes, scales, zeroPoints: null };
    return { ...outline, codes, scales, zeroPoints: zeroPointsOf(scales, zeros, outline, layout) };
  }
  const planeCodes = outline.rows * outline.columns;
  const planeScales = scaleCount(outline);
  const codes = new Int8Array(outline.planes * planeCodes);
  const scales = new Float32Array(outline.planes * planeScales);
  for (const [plane, pass] of passes.entries()) {
    const pairs = codesOf(pass.weight, geometry);
    const wrong = pairs.indexOf(0);
    if (wrong >= 0)
      throw damagedPack(`weight ${wrong} of its trit plane ${plane} has the code 0, trits are 1 to 3`);
    for (let i = 0; i < planeCodes; i++) codes[plane * planeCodes + i] = pairs[i] - 2;
    scales.set(grids[plane][0], plane * planeScales);
  }
  return { ...outline, codes, scales };
}

/** A trit t is the two-bit code t + 2, so that the offset 2^(bits−1) takes it back. */
function planePasses({ rows, columns, planes, codes, scales }: PlanesScheme) {
  const planeCodes = rows * columns;
  const planeScales = scales.length / planes;
  return Array.from({ length: planes }, (_, plane) => ({
    // `Uint8Array.from` would list 24 bytes a weight; bytes count modulo 256.
    codes: new Uint8Array(codes.subarray(plane * planeCodes, (plane + 1) * planeCodes)).map(
      (trit) => trit + 2,
    ),
    grids: [scales.subarray(plane * planeScales, (plane + 1) * planeScales)],
  }));
}

/** `[N, K]` codes into bytes: each the table indices of two expanded rows that are 16 apart. */
function packCodes(codes: Uint8Array, geometry: Geometry): Uint8Array {
  const out = new Uint8Array((codes.length * geometry.bits) / 8);
  eachPlane(geometry, ({ first, shift, output, bit }) => {
    const { columns, kFactor } = geometry;
    const gap = bytesToNextBlock(geometry);
    const end = (output + 1) * columns;
    for (let input = output * columns, at = first; input < end; at += gap) {
      for (let index = 0; index < kFactor; index++, input += inputsPerIndex, at += 16) {
        const tableIndex =
          ((codes[input] >> bit) & 1) |
          (((codes[input + 1] >> bit) & 1) << 1) |
          (((codes[input + 2] >> bit) & 1) << 2) |
          (((codes[input + 3] >> bit) & 1) << 3);
        out[at] |= tableIndex << shift;
      }
    }
  });
  return out;
}

function codesOf(packed: Uint8Array, geometry: Geometry): Uint8Array {
  const codes = new Uint8Array(geometry.rows * geometry.columns);
  eachPlane(geometry, ({ first, shift, output, bit }) => {
    const { columns, kFactor } = geometry;
    const gap = bytesToNextBlock(geometry);
    const end = (output + 1) * columns;
    for (let input = output * columns, at = first; input < end; at += gap) {
      for (let index = 0; index < kFactor; index++, input += inputsPerIndex, at += 16) {
        const tableIndex = packed[at] >> shift;
        codes[input] |= (tableIndex & 1) << bit;
        codes[input + 1] |= ((tableIndex >> 1) & 1) << bit;
        codes[input + 2] |= ((tableIndex >> 2) & 1) << bit;
        codes[input + 3] |= ((tableIndex >> 3) & 1) << bit;
      }
    }
  });
  return codes;
}

/** One bit plane of one output: an expanded row. */
interface Plane {
  readonly output: number;
  readonly bit: number;
  /** The byte of its first table index; the next ones follow 16 bytes apart, `kFactor` of them in a block. */
  readonly first: number;
  /** Where in the byte its indices are: 0 in the low nibble, 4 in the high one. */
  readonly shift: number;
}

/**
 * Visits the expanded rows ρ = (m div 8)·8b + 8i + (m mod 8), bit plane i of output m. The file holds tiles of
 * `tileRows` expanded rows; a tile has blocks of `kFactor` indices along K, a block strips of 32 expanded rows, a strip
 * the indices, and an index 16 bytes: rows 0–15 of the strip in the low nibbles, rows 16–31 in the high ones.
 */
function eachPlane(
  { rows, columns, bits, tileRows, kFactor }: Geometry,
  visit: (plane: Plane) => void,
): void {
  const tileBytes = (columns / inputsPerIndex) * (tileRows / 2);
  for (let output = 0; output < rows; output++) {
    for (let bit = 0; bit < bits; bit++) {
      const row = Math.floor(output / 8) * 8 * bits + 8 * bit + (output % 8);
      const strip = Math.floor((row % tileRows) / 32);
      const first = Math.floor(row / tileRows) * tileBytes + strip * kFactor * 16 + (row % 16);
      visit({ output, bit, first, shift: row % 32 < 16 ? 0 : 4 });
    }
  }
}

/** From behind a row's indices in one block to its first in the next: the block's other strips lie between. */
function bytesToNextBlock({ tileRows, kFactor }: Geometry): number {
  return (tileRows / 32 - 1) * kFactor * 16;
}
