import { LuthierError } from "../../error.js";
import type { IntScheme } from "../../schemes/int.js";
import type { PlanesScheme } from "../../schemes/planes.js";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { WeightOutline, WeightScheme } from "../../schemes/scheme.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";

/*
 * The bytes that T-MAC's kernels read (python/t_mac/weights.py of microsoft/T-MAC, x86). README.md draws them.
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
  /** Inputs that share one table scale. */
  readonly activationGroup: number;
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

/** @throws LuthierError when a scale is not finite, or 0 where a zero point is to be read back from it. */
export function packWeight(weight: WeightScheme, layout: Layout): Tensors {
  const wrong = weight.scales.findIndex((scale) => !Number.isFinite(scale));
  if (wrong >= 0) throw unpackable(`scale ${wrong} of the weight is ${weight.scales[wrong]}`);
  const geometry = { ...layout, rows: weight.rows, columns: weight.columns };
  const passes = weight.scheme === "int" ? [intPass(weight, geometry)] : planePasses(weight, geometry);
  const shapes = tensorShapes(weight, layout);
  return Object.fromEntries(
    passes.flatMap(({ weight: bytes, scales }, pass) => [
      [`pass${pass}.weight`, { dtype: "U8", shape: shapes.weight, bytes }],
      [`pass${pass}.scales`, { dtype: "F32", shape: shapes.scales, bytes: new Uint8Array(scales.buffer) }],
    ]),
  );
}

/** @throws LuthierError when a pass is missing or is not as the layout says. */
export function passesOf(tensors: Tensors, outline: WeightOutline, layout: Layout): readonly Pass[] {
  const shapes = tensorShapes(outline, layout);
  return Array.from({ length: layout.passes }, (_, pass) => {
    const weight = tensorOf(tensors, `pass${pass}.weight`, "U8", shapes.weight).bytes;
    const bytes = tensorOf(tensors, `pass${pass}.scales`, "F32", shapes.scales).bytes;
    const scales = new Float32Array(bytes.slice().buffer);
    if (!scales.every(Number.isFinite))
      throw damagedPack(`its tensor pass${pass}.scales holds NaN or infinity`);
    return { weight, scales };
  });
}

function tensorShapes(outline: WeightOutline, { bits, tileRows }: Layout) {
  const { rows, columns, group, scaleRows } = outline;
  const tiles = (rows * bits) / tileRows;
  const outputs = tileRows / bits;
  const hasZeros = outline.scheme === "int" && !outline.symmetric;
  const scalesOfTile = hasZeros ? [outputs / 8, 2, 8] : [outputs];
  return {
    weight: [tiles, columns / inputsPerIndex, tileRows / 2],
    scales: scaleRows === 1 ? [1] : [tiles, columns / group, ...scalesOfTile],
  };
}

/** @throws LuthierError when the tensors do not fit the layout or hold what no weight is packed into. */
export function unpackWeight(tensors: Tensors, outline: WeightOutline, layout: Layout): WeightScheme {
  const geometry = { ...layout, rows: outline.rows, columns: outline.columns };
  const passes = passesOf(tensors, outline, layout);
  if (outline.scheme === "int") {
    const codes = codesOf(passes[0].weight, geometry);
    const [scales, zeros] = fromTiles(passes[0].scales, outline, layout, outline.symmetric ? 1 : 2);
    if (outline.symmetric) return { ...outline, codes, scales, zeroPoints: null };
    return { ...outline, codes, scales, zeroPoints: zeroPointsOf(scales, zeros, outline.bits) };
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
    scales.set(fromTiles(pass.scales, outline, layout, 1)[0], plane * planeScales);
  }
  return { ...outline, codes, scales };
}

function intPass(weight: IntScheme, geometry: Geometry): Pass {
  const { scales, zeroPoints, bits } = weight;
  if (zeroPoints === null)
    return { weight: packCodes(weight.codes, geometry), scales: toTiles([scales], weight, geometry) };
  const lost = scales.findIndex((scale, i) => scale === 0 && zeroPoints[i] !== 2 ** (bits - 1));
  if (lost >= 0) throw unpackable(`scale ${lost} is 0 and would lose its zero point ${zeroPoints[lost]}`);
  const zeros = scales.map((scale, i) => zeroOf(scale, zeroPoints[i], bits));
  return { weight: packCodes(weight.codes, geometry), scales: toTiles([scales, zeros], weight, geometry) };
}

function unpackable(what: string): LuthierError {
  return new LuthierError(
    `t-mac cannot pack the weight: ${what}`,
    "quantize the linear again, or keep it float",
  );
}

/**
 * `w = (code − 2^(bits−1)) · scale − zero`, so zero = (zero point − 2^(bits−1)) · scale: exact, as a scale has the 11
 * significant bits of a float16.
 */
function zeroOf(scale: number, zeroPoint: number, bits: number): number {
  return Math.fround((zeroPoint - 2 ** (bits - 1)) * scale);
}

function zeroPointsOf(scales: Float32Array, zeros: Float32Array, bits: number): Uint8Array {
  return Uint8Array.from(zeros, (zero, i) => {
    const zeroPoint = (scales[i] === 0 ? 0 : zero / scales[i]) + 2 ** (bits - 1);
    const sound = zeroPoint >= 0 && zeroPoint < 2 ** bits && zeroOf(scales[i], zeroPoint, bits) === zero;
    if (!sound || !Number.isInteger(zeroPoint))
      throw damagedPack(`its zero ${zero} is no multiple of its scale ${scales[i]} within ${bits} bits`);
    return zeroPoint;
  });
}

/** A trit t is the two-bit code t + 2, so that the offset 2^(bits−1) takes it back. */
function planePasses(weight: PlanesScheme, geometry: Geometry): readonly Pass[] {
  const planeCodes = weight.rows * weight.columns;
  const planeScales = scaleCount(weight);
  return Array.from({ length: weight.planes }, (_, plane) => {
    const codes = new Uint8Array(planeCodes);
    for (let i = 0; i < planeCodes; i++) codes[i] = weight.codes[plane * planeCodes + i] + 2;
    const scales = weight.scales.subarray(plane * planeScales, (plane + 1) * planeScales);
    return { weight: packCodes(codes, geometry), scales: toTiles([scales], weight, geometry) };
  });
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

/**
 * Grids `[N, K / group]` in the order of the kernels: by tile, by group, then eights of outputs; of two grids, scales
 * and zeros, eight of one then eight of the other. One value for the tensor stays alone.
 */
function toTiles(grids: readonly Float32Array[], outline: WeightOutline, layout: Layout): Float32Array {
  if (outline.scaleRows === 1) return grids[0].slice();
  const out = new Float32Array(grids.length * grids[0].length);
  eachScale(outline, layout, grids.length, (at, grid, from) => {
    out[at] = grids[grid][from];
  });
  return out;
}

function fromTiles(
  tiles: Float32Array,
  outline: WeightOutline,
  layout: Layout,
  count: number,
): readonly Float32Array[] {
  const length = tiles.length / count;
  const grids = Array.from({ length: count }, (_, grid) => tiles.slice(grid * length, (grid + 1) * length));
  if (outline.scaleRows === 1) return grids;
  eachScale(outline, layout, count, (at, grid, from) => {
    grids[grid][from] = tiles[at];
  });
  return grids;
}

function eachScale(
  { rows, columns, group }: WeightOutline,
  { bits, tileRows }: Layout,
  grids: number,
  visit: (at: number, grid: number, from: number) => void,
): void {
  const groups = columns / group;
  const tileOutputs = tileRows / bits;
  let at = 0;
  for (let tile = 0; tile < rows; tile += tileOutputs) {
    for (let column = 0; column < groups; column++) {
      for (let eight = tile; eight < tile + tileOutputs; eight += 8) {
        for (let grid = 0; grid < grids; grid++) {
          for (let output = eight; output < eight + 8; output++) visit(at++, grid, output * groups + column);
        }
      }
    }
  }
}
