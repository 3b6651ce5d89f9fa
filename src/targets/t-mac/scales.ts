import { LuthierError } from "../../error.js";
import type { IntOutline, IntScheme } from "../../schemes/int.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import { numberToFloat16, roundToFloat16, widen } from "../../tensor/float.js";
import type { TensorBytes, Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import type { Layout, Pass } from "./layout.js";
import { processors } from "./processor.js";

/*
 * Scales and zeros of a pass in the order and format of T-MAC's kernels: float32 on x86, float16 on ARM. README.md has
 * their positions.
 */

/** Grids `[N, K / group]`: scales and, for zero points, zeros. */
type Grids = readonly Float32Array[];

/**
 * Schemes keep a scale for the whole tensor as float32. ARM reads it rounded to float16; what it was rounded from is
 * kept beside it, so that the weight can be read back.
 */
const unrounded = "unrounded-scales";

/** @throws LuthierError when the layout cannot hold a scale of the weight. */
export function refuseUnpackable(weight: GridScheme, { float, bits }: Layout): void {
  const { scales } = weight;
  const zeroPoints = weight.scheme === "int" ? weight.zeroPoints : null;
  for (const [i, scale] of scales.entries()) {
    if (!Number.isFinite(scale)) throw unpackable(`scale ${i} of the weight is ${scale}`);
    const largest = zeroPoints === null ? scale : zeroOf(scale, zeroPoints[i], bits, float);
    if (!Number.isFinite(largest) || !Number.isFinite(processors[float].round(scale)))
      throw unpackable(`scale ${i}, ${scale}, or its zero is too large for ${float}`);
    if (scale === 0 && zeroPoints !== null && zeroPoints[i] !== 2 ** (bits - 1))
      throw unpackable(`scale ${i} is 0 and would lose its zero point ${zeroPoints[i]}`);
    if (zeroPoints instanceof Float32Array && floatZeroPoint(scale, largest, bits) !== zeroPoints[i])
      throw unpackable(`zero ${largest} of scale ${i} would lose its zero point ${zeroPoints[i]}`);
  }
}

function unpackable(what: string): LuthierError {
  return new LuthierError(
    `t-mac cannot pack the weight: ${what}`,
    "quantize the linear again, or keep it float",
  );
}

/** Scales, and zeros where there are zero points. */
export function intGrids({ scales, zeroPoints, bits }: IntScheme, { float }: Layout): Grids {
  if (zeroPoints === null) return [scales];
  return [scales, scales.map((scale, i) => zeroOf(scale, zeroPoints[i], bits, float))];
}

/**
 * `w = (code − 2^(bits−1)) · scale − zero`, so zero = (zero point − 2^(bits−1)) · scale. A scale has the 11 significant
 * bits of a float16, so the product is exact in float32 and rounded in float16.
 */
function zeroOf(scale: number, zeroPoint: number, bits: number, float: Layout["float"]): number {
  return processors[float].round((zeroPoint - 2 ** (bits - 1)) * scale);
}

/**
 * The float16 zero point of a float32 zero: the zero's rounding moves it by no more than 2^(bits−25), less than half a
 * step of float16 where the zero point is 0, or at least 2^-9 as those of `hqq` are.
 */
function floatZeroPoint(scale: number, zero: number, bits: number): number {
  return roundToFloat16((scale === 0 ? 0 : zero / scale) + 2 ** (bits - 1));
}

/** @throws LuthierError when a zero is none of its scale. */
export function zeroPointsOf(
  scales: Float32Array,
  zeros: Float32Array,
  { bits, zeroPointDtype }: IntOutline,
  { float }: Layout,
): Uint8Array | Float32Array {
  if (zeroPointDtype === "F16") {
    return zeros.map((zero, i) => {
      const zeroPoint = floatZeroPoint(scales[i], zero, bits);
      if (zeroOf(scales[i], zeroPoint, bits, float) !== zero)
        throw damagedPack(`its zero ${zero} is that of no zero point with its scale ${scales[i]}`);
      return zeroPoint;
    });
  }
  return Uint8Array.from(zeros, (zero, i) => {
    const zeroPoint = Math.round(scales[i] === 0 ? 0 : zero / scales[i]) + 2 ** (bits - 1);
    const sound = zeroPoint >= 0 && zeroPoint < 2 ** bits;
    if (!sound || zeroOf(scales[i], zeroPoint, bits, float) !== zero)
      throw damagedPack(`its zero ${zero} is no multiple of its scale ${scales[i]} within ${bits} bits`);
    return zeroPoint;
  });
}

/** One pass's scales as its kernels read them. */
export function packScales(grids: Grids, outline: GridOutline, layout: Layout): TensorBytes {
  const shape = scalesShape(outline, layout);
  const tiles = toTiles(grids, outline, layout);
  if (layout.float === "float32") return { dtype: "F32", shape, bytes: new Uint8Array(tiles.buffer) };
  return { dtype: "F16", shape, bytes: new Uint8Array(Uint16Array.from(tiles, numberToFloat16).buffer) };
}

/** @throws LuthierError when the pass lacks them or they are not finite. */
export function readScales(
  tensors: Tensors,
  pass: number,
  outline: GridOutline,
  layout: Layout,
): Float32Array {
  const name = `pass${pass}.scales`;
  const dtype = layout.float === "float32" ? "F32" : "F16";
  const shape = scalesShape(outline, layout);
  const scales = new Float32Array(shape.reduce((product, length) => product * length));
  widen(dtype, tensorOf(tensors, name, dtype, shape).bytes, scales);
  if (!scales.every(Number.isFinite)) throw damagedPack(`its tensor ${name} holds NaN or infinity`);
  return scales;
}

function scalesShape(outline: GridOutline, { bits, tileRows }: Layout): readonly number[] {
  const { rows, columns, group, scaleRows } = outline;
  if (scaleRows === 1) return [1];
  const outputs = tileRows / bits;
  const hasZeros = outline.scheme === "int" && !outline.symmetric;
  return [(rows * bits) / tileRows, columns / group, ...(hasZeros ? [outputs / 8, 2, 8] : [outputs])];
}

/** The tensor `unrounded-scales`, float32, one a pass, where the kernels read rounded ones. */
export function unroundedScales(weight: GridScheme, layout: Layout): Tensors {
  if (!isRounded(weight, layout)) return {};
  const bytes = new Uint8Array(weight.scales.slice().buffer);
  return { [unrounded]: { dtype: "F32", shape: [layout.passes], bytes } };
}

/** Each pass's grids. @throws LuthierError when an unrounded scale does not round to the one that is read. */
export function unpackGrids(
  tensors: Tensors,
  passes: readonly Pass[],
  outline: GridOutline,
  layout: Layout,
): readonly Grids[] {
  const count = outline.scheme === "int" && !outline.symmetric ? 2 : 1;
  const grids = passes.map(({ scales }) => fromTiles(scales, outline, layout, count));
  if (!isRounded(outline, layout)) return grids;
  const scales = new Float32Array(layout.passes);
  widen("F32", tensorOf(tensors, unrounded, "F32", [layout.passes]).bytes, scales);
  const { round } = processors[layout.float];
  const wrong = scales.findIndex((scale, pass) => round(scale) !== grids[pass][0][0]);
  if (wrong >= 0)
    throw damagedPack(`its scale ${grids[wrong][0][0]} of pass ${wrong} is not ${scales[wrong]} rounded`);
  return passes.map((_, pass) => [scales.subarray(pass, pass + 1)]);
}

function isRounded({ scaleRows }: GridOutline, { float }: Layout): boolean {
  return float === "float16" && scaleRows === 1;
}

/**
 * Grids `[N, K / group]` in the order of the kernels: by tile, by group, then eights of outputs; of two grids, scales
 * and zeros, eight of one then eight of the other. One value for the tensor stays alone.
 */
function toTiles(grids: Grids, outline: GridOutline, layout: Layout): Float32Array {
  if (outline.scaleRows === 1) return grids[0].slice();
  const out = new Float32Array(grids.length * grids[0].length);
  eachScale(outline, layout, grids.length, (at, grid, from) => {
    out[at] = grids[grid][from];
  });
  return out;
}

function fromTiles(tiles: Float32Array, outline: GridOutline, layout: Layout, count: number): Grids {
  const length = tiles.length / count;
  const grids = Array.from({ length: count }, (_, grid) => tiles.slice(grid * length, (grid + 1) * length));
  if (outline.scaleRows === 1) return grids;
  eachScale(outline, layout, count, (at, grid, from) => {
    grids[grid][from] = tiles[at];
  });
  return grids;
}

function eachScale(
  { rows, columns, group }: GridOutline,
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
