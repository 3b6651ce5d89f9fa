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
    codes.set(
      Int8Array.from(pairs, (code) => code - 2),
      plane * planeCodes,
    );
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
    const codes = Uint8Array.from(
      weight.codes.subarray(plane * planeCodes, (plane + 1) * planeCodes),
      (trit) => trit + 2,
    );
    const scales = weight.scales.subarray(plane * planeScales, (plane + 1) * planeScales);
    return { weight: packCodes(codes, geometry), scales: toTiles([scales], weight, geometry) };
  });
}

/** `[N, K]` codes into bytes: each the table indices of two expanded rows that are 16 apart. */
function packCodes(codes: Uint8Array, geometry: Geometry): Uint8Array {
  const out = new Uint8Array((codes.length * geometry.bits) / 8);
  const index = (first: number, bit: number) =>
    ((codes[first] >> bit) & 1) |
    (((codes[first + 1] >> bit) & 1) << 1) |
    (((codes[first + 2] >> bit) & 1) << 2) |
    (((codes[first + 3] >> bit) & 1) << 3);
  eachByte(geometry, (at, low, lowBit, high, highBit) => {
    out[at] = index(low, lowBit) | (index(high, highBit) << 4);
  });
  return out;
}

function codesOf(packed: Uint8Array, geometry: Geometry): Uint8Array {
  const codes = new Uint8Array(geometry.rows * geometry.columns);
  eachByte(geometry, (at, low, lowBit, high, highBit) => {
    for (let input = 0; input < inputsPerIndex; input++) {
      codes[low + input] |= ((packed[at] >> input) & 1) << lowBit;
      codes[high + input] |= ((packed[at] >> (4 + input)) & 1) << highBit;
    }
  });
  return codes;
}

/**
 * Visits every byte in the order of the file: tiles of `tileRows` expanded rows, blocks of `kFactor` indices along K,
 * blocks of 32 expanded rows, the indices, and 16 lanes. For each the two codes `[N, K]` whose four inputs it holds
 * (by the place of the first) and their bit planes: the low nibble's, then the high nibble's.
 *
 * Expanded row ρ = (m div 8)·8b + 8i + (m mod 8) is bit plane i of output m.
 */
function eachByte(
  { rows, columns, bits, tileRows, kFactor }: Geometry,
  visit: (at: number, low: number, lowBit: number, high: number, highBit: number) => void,
): void {
  const indices = columns / inputsPerIndex;
  const expandedRows = rows * bits;
  const bitOf = Int32Array.from({ length: expandedRows }, (_, row) => Math.floor((row % (8 * bits)) / 8));
  const outputOf = Int32Array.from(
    { length: expandedRows },
    (_, row) => Math.floor(row / (8 * bits)) * 8 + (row % 8),
  );
  let at = 0;
  for (let tile = 0; tile < expandedRows; tile += tileRows) {
    for (let block = 0; block < indices; block += kFactor) {
      for (let row = tile; row < tile + tileRows; row += 32) {
        for (let index = block; index < block + kFactor; index++) {
          const input = index * inputsPerIndex;
          for (let lane = row; lane < row + 16; lane++) {
            const low = outputOf[lane] * columns + input;
            visit(at++, low, bitOf[lane], outputOf[lane + 16] * columns + input, bitOf[lane + 16]);
          }
        }
      }
    }
  }
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
