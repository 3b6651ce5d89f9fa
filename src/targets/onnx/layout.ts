import { packCodes, unpackCodes } from "../../schemes/codes.js";
import type { IntOutline, IntScheme } from "../../schemes/int.js";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";

/*
 * The inputs of com.microsoft.MatMulNBits (onnxruntime, docs/ContribOperators.md): codes of 2, 4 or 8 bits in blocks along
 * K, a scale a block, zero points packed by row. README.md draws them.
 */

/** How one linear lies, all choices made. */
export interface Layout {
  /** Bits of a code as it is carried: 2, 4 or 8. */
  readonly bits: number;
  /** Inputs that share a scale in the file: a power of two. */
  readonly block: number;
}

/** Largest block that onnxruntime's kernels are made for, and the least that it takes. */
const mostInputs = 128;
const leastInputs = 16;

/** Null where no power of two that onnxruntime takes divides the group. */
export function layoutOf({ bits, group }: IntOutline): Layout | null {
  let block = mostInputs;
  while (group % block !== 0) block /= 2;
  return block < leastInputs ? null : { bits: bits <= 2 ? 2 : bits <= 4 ? 4 : 8, block };
}

/** Tensors `codes`, `scales` and, unless symmetric, `zero_points`. */
export function packBlocks(weight: IntScheme, { bits, block }: Layout): Tensors {
  const { rows, columns } = weight;
  const blocks = columns / block;
  const lift = liftOf(weight, bits);
  const codes = packCodes(
    weight.codes.map((code) => code + lift),
    bits,
  );
  const at = (index: number) => scaleAt(weight, index, block);
  const scales = Float32Array.from({ length: rows * blocks }, (_, i) => weight.scales[at(i)]);
  const { zeroPoints } = weight;
  const rowBytes = zeroBytes(blocks, bits);
  const packedZeros = new Uint8Array(zeroPoints ? rows * rowBytes : 0);
  for (let row = 0; zeroPoints && row < rows; row++) {
    const own = Uint8Array.from({ length: blocks }, (_, i) => zeroPoints[at(row * blocks + i)]);
    packedZeros.set(packCodes(own, bits), row * rowBytes);
  }
  return {
    codes: { dtype: "U8", shape: [rows, blocks, (block * bits) / 8], bytes: codes },
    scales: { dtype: "F32", shape: [rows, blocks], bytes: new Uint8Array(scales.buffer) },
    ...(zeroPoints && { zero_points: { dtype: "U8", shape: [rows, rowBytes], bytes: packedZeros } }),
  };
}

/** @throws LuthierError when a tensor is missing, has another shape, or holds what is never packed. */
export function unpackBlocks(tensors: Tensors, outline: IntOutline, { bits, block }: Layout): IntScheme {
  const { rows, columns, symmetric } = outline;
  const blocks = columns / block;
  const lift = liftOf(outline, bits);
  const carried = unpackCodes(
    tensorOf(tensors, "codes", "U8", [rows, blocks, (block * bits) / 8]).bytes,
    bits,
    rows * columns,
  );
  const most = 2 ** outline.bits - 1 + lift;
  const wrong = carried.findIndex((code) => code < lift || code > most);
  if (wrong >= 0)
    throw damagedPack(`its code ${wrong} is ${carried[wrong]}, its weight has ${lift} to ${most}`);
  const ofBlocks = new Float32Array(tensorOf(tensors, "scales", "F32", [rows, blocks]).bytes.slice().buffer);
  const rowBytes = zeroBytes(blocks, bits);
  const zeros = symmetric ? null : tensorOf(tensors, "zero_points", "U8", [rows, rowBytes]).bytes;
  const scales = new Float32Array(scaleCount(outline)).fill(Number.NaN);
  const zeroPoints = zeros && new Uint8Array(scales.length);
  for (let i = 0; i < ofBlocks.length; i++) {
    const to = scaleAt(outline, i, block);
    const row = Math.floor(i / blocks);
    const zero = zeros ? codeAt(zeros.subarray(row * rowBytes, (row + 1) * rowBytes), i % blocks, bits) : 0;
    if (!Number.isFinite(ofBlocks[i])) throw damagedPack(`its block ${i} has the scale ${ofBlocks[i]}`);
    if (zero >= 2 ** outline.bits) throw damagedPack(`its block ${i} has the zero point ${zero}`);
    const isFirst = Number.isNaN(scales[to]);
    if (!isFirst && (scales[to] !== ofBlocks[i] || (zeroPoints && zeroPoints[to] !== zero)))
      throw damagedPack(`its block ${i} has another scale or zero point than its group`);
    scales[to] = ofBlocks[i];
    if (zeroPoints) zeroPoints[to] = zero;
  }
  return { ...outline, codes: lift === 0 ? carried : carried.map((code) => code - lift), scales, zeroPoints };
}

/** Without stored zero points the operator takes the middle of the carried range: symmetric codes are lifted to it. */
function liftOf({ symmetric, bits }: Pick<IntOutline, "symmetric" | "bits">, carriedBits: number): number {
  return symmetric ? 2 ** (carriedBits - 1) - 2 ** (bits - 1) : 0;
}

/** Where the scale of a block, counted row by row, lies in the scheme's grid. */
function scaleAt({ scaleRows, columns, group }: IntOutline, index: number, block: number): number {
  const blocks = columns / block;
  const row = scaleRows === 1 ? 0 : Math.floor(index / blocks);
  return row * (columns / group) + Math.floor(((index % blocks) * block) / group);
}

/** Zero points of a row, packed like codes, start a new byte. */
function zeroBytes(blocks: number, bits: number): number {
  return Math.ceil((blocks * bits) / 8);
}

function codeAt(bytes: Uint8Array, index: number, bits: number): number {
  return (bytes[(index * bits) >> 3] >> ((index * bits) & 7)) & (2 ** bits - 1);
}
