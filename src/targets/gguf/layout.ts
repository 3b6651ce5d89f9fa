import { LuthierError } from "../../error.js";
import { beyondTrits } from "../../schemes/planes.js";
import { scaleDtype } from "../../schemes/scale-grid.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import { float16ToNumber, numberToFloat16, roundToFloat16 } from "../../tensor/float.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, type Refusal, tensorOf } from "../target.js";
import {
  type BlockType,
  type BlockTypeName,
  blockTypeNamed,
  blockTypes,
  readLevels,
  writeLevels,
} from "./blocks.js";

/** How a scheme lies in blocks. */
export interface Carrier {
  readonly type: BlockType;
  /** Scale and levels both negated, where only the mirrored levels fit: −2 … 1 as 2 … −1. */
  readonly mirrored: boolean;
}

/**
 * The block type that holds a scheme exactly: the one chosen, or of all that do the one with the fewest bits.
 */
export function carrierOf(weight: GridOutline, chosen: BlockTypeName | "auto"): Carrier | Refusal {
  const { group, columns, scaleRows } = weight;
  const refusal = refuseScheme(weight);
  if (refusal) return refusal;
  const candidates = chosen === "auto" ? blockTypes : [blockTypeNamed(chosen)];
  const holding = candidates.flatMap((type): Carrier[] => {
    const [lowest, highest] = levelsOf(weight);
    if (lowest >= type.lowest && highest <= type.highest) return [{ type, mirrored: false }];
    return -highest >= type.lowest && -lowest <= type.highest ? [{ type, mirrored: true }] : [];
  });
  if (holding.length === 0) {
    const [lowest, highest] = levelsOf(weight);
    return {
      reason: `its levels ${lowest} … ${highest} do not fit ${chosen}`,
      fix: "leave `type: auto`, or quantize to fewer bits",
    };
  }
  const fitting = holding.find(({ type }) => group % type.size === 0);
  if (fitting) return fitting;
  const sizes = [...new Set(holding.map(({ type }) => type.size))].sort((a, b) => a - b);
  const scope = group === columns || scaleRows === 1 ? `${columns} inputs` : `groups of ${group} inputs`;
  return {
    reason: `its ${scope} do not divide into blocks of ${sizes.join(" or ")}`,
    fix:
      columns % sizes[0] === 0 ? `use a group that is a multiple of ${sizes[0]}` : "keep these linears float",
  };
}

/** What blocks of any type cannot express. */
function refuseScheme(weight: GridOutline): Refusal | null {
  const beyond = weight.scheme === "planes" ? beyondTrits(weight) : null;
  if (beyond) return { reason: beyond, fix: "use `absmean`, `twn` or `rtn`" };
  if (weight.scheme === "planes" && weight.planes > 1) {
    return {
      reason: `it has ${weight.planes} trit planes, a block has one scale`,
      fix: "use one plane, or `{ method: rtn, bits: 4, group: 32, symmetric: true }`",
    };
  }
  if (weight.scheme === "int" && !weight.symmetric) {
    return {
      reason: "it has zero points, these blocks have none",
      fix: "add `symmetric: true` to the rule",
    };
  }
  if (weight.scaleRows === 1 && weight.rows > 1 && weight.group !== weight.columns) {
    return {
      reason: `rows share its scales of groups of ${weight.group}`,
      fix: "use one scale a group, row or tensor",
    };
  }
  return null;
}

function levelsOf(weight: GridOutline): readonly [lowest: number, highest: number] {
  if (weight.scheme === "planes") return [-1, 1];
  const half = 2 ** (weight.bits - 1);
  return [-half, half - 1];
}

/** Bytes of one row. */
export function rowBytes({ columns }: GridOutline, type: BlockType): number {
  return (columns / type.size) * type.bytes;
}

/**
 * The tensor `blocks`, `[N, K / size · bytes]`.
 * @throws LuthierError when a scale is none that FP16 holds: infinite, or one of a whole tensor below its normal range.
 */
export function packBlocks(weight: GridScheme, { type, mirrored }: Carrier): Tensors {
  const { rows, columns, group, codes, scales } = weight;
  const sign = mirrored ? -1 : 1;
  const zero = weight.scheme === "int" ? 2 ** (weight.bits - 1) : 0;
  const halves = Uint16Array.from(scales, (scale) => numberToFloat16(sign * checkedScale(scale, weight)));
  const blocks = (rows * columns) / type.size;
  const bytes = new Uint8Array(blocks * type.bytes);
  const levels = new Int8Array(type.size);
  for (let block = 0; block < blocks; block++) {
    const first = block * type.size;
    for (let i = 0; i < type.size; i++) levels[i] = sign * (codes[first + i] - zero);
    const at = bytes.subarray(block * type.bytes, (block + 1) * type.bytes);
    writeLevels(type, levels, at);
    const half = halves[Math.floor(first / group) % halves.length]; // one of a whole tensor serves all
    at[type.scaleAt] = half;
    at[type.scaleAt + 1] = half >> 8;
  }
  return { blocks: { dtype: "U8", shape: [rows, rowBytes(weight, type)], bytes } };
}

/** What `open` computes with: levels as they lie in the blocks, and one scale a block. */
export interface Blocks {
  readonly rows: number;
  readonly columns: number;
  readonly type: BlockType;
  /** `[N, K / size · bytes]`. */
  readonly bytes: Uint8Array;
}

/** @throws LuthierError when the pack lacks its blocks or they have another size. */
export function blocksOf(tensors: Tensors, weight: GridOutline, type: BlockType): Blocks {
  const { rows, columns } = weight;
  const { bytes } = tensorOf(tensors, "blocks", "U8", [rows, rowBytes(weight, type)]);
  return { rows, columns, type, bytes };
}

/** The scale of a block. */
export function scaleOf({ type, bytes }: Blocks, block: number): number {
  const at = block * type.bytes + type.scaleAt;
  return float16ToNumber(bytes[at] | (bytes[at + 1] << 8));
}

/**
 * The scheme that blocks hold.
 * @param exactScale of a weight with one float32 scale, which the blocks have rounded to FP16; null for others.
 * @throws LuthierError when the blocks hold levels that the scheme has not, or scales that differ within a group.
 */
export function unpackBlocks(
  tensors: Tensors,
  weight: GridOutline,
  { type, mirrored }: Carrier,
  exactScale: number | null,
): GridScheme {
  const { rows, columns, group, scaleRows } = weight;
  const blocks = blocksOf(tensors, weight, type);
  const sign = mirrored ? -1 : 1;
  const zero = weight.scheme === "int" ? 2 ** (weight.bits - 1) : 0;
  const [lowest, highest] = levelsOf(weight);
  const codes = weight.scheme === "int" ? new Uint8Array(rows * columns) : new Int8Array(rows * columns);
  const scales = new Float32Array(scaleRows * (columns / group)).fill(Number.NaN);
  const levels = new Int8Array(type.size);
  for (let block = 0; block * type.size < codes.length; block++) {
    const at = blocks.bytes.subarray(block * type.bytes, (block + 1) * type.bytes);
    let sound = readLevels(type, at, levels);
    for (let i = 0; i < type.size; i++) {
      const level = sign * levels[i];
      sound &&= level >= lowest && level <= highest;
      codes[block * type.size + i] = level + zero;
    }
    if (!sound) throw damagedPack(`block ${block} holds codes that are none of its scheme`);
    const run = Math.floor((block * type.size) / group) % scales.length;
    const scale = sign * scaleOf(blocks, block);
    if (!Number.isFinite(scale)) throw damagedPack(`block ${block} has the scale ${scale}`);
    if (!Number.isNaN(scales[run]) && !Object.is(scales[run], scale))
      throw damagedPack(`block ${block} has another scale than its group`);
    scales[run] = scale;
  }
  if (exactScale !== null) {
    if (roundToFloat16(exactScale) !== scales[0])
      throw damagedPack(`its blocks have the scale ${scales[0]}, its layout ${exactScale}`);
    scales[0] = exactScale;
  }
  if (weight.scheme === "planes") return { ...weight, codes: codes as Int8Array, scales };
  return { ...weight, codes: codes as Uint8Array, scales, zeroPoints: null };
}

/** Whether the scheme's scale is float32, which blocks round to FP16. */
export function roundsScale(weight: GridOutline): boolean {
  return scaleDtype(weight) === "F32";
}

/** Below this a rounded FP16 value is off by more than 2^-11 of itself. */
const leastNormal = 2 ** -14;

function checkedScale(scale: number, weight: GridOutline): number {
  const half = Math.abs(roundToFloat16(scale));
  if (half < Infinity && (!roundsScale(weight) || scale === 0 || half >= leastNormal)) return scale;
  throw new LuthierError(
    `gguf cannot pack the weight: FP16, the type of its blocks' scales, does not hold ${scale}`,
    "keep the linear float, or quantize it with a scale a group",
  );
}
