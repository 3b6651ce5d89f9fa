import { LuthierError } from "../../error.js";
import type { IntScheme } from "../../schemes/int.js";
import type { PlanesScheme } from "../../schemes/planes.js";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import type { TensorBytes, Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";

/*
 * Offline artefacts of LUT Tensor Core (arXiv 2408.06003): weights reinterpreted to odd symmetric values, cut into
 * ±1 bit planes, four inputs of a plane a selector whose inversion is done beforehand. Their order in memory is not
 * published; README.md draws the one chosen here.
 */

/** What the inputs are when they reach the tables. */
export type InputFormat = "float16" | "e4m3" | "e5m2" | "int8" | "int16";

/** How one linear is laid out and computed, all choices made. */
export interface Layout {
  /** `lmma.m2n64k4.fp16int2fp32fp32`. */
  readonly instruction: string;
  readonly input: InputFormat;
  readonly bits: number;
  readonly passes: number;
  /** M, N and K of a tile. */
  readonly tileTokens: number;
  readonly tileOutputs: number;
  readonly tileInputs: number;
  /** How entries become INT8; those of integer inputs are exact. */
  readonly tableScale: "absmax" | "power-of-two" | "exact";
  /** Inputs whose tables share a scale and whose lookups are summed as integers. */
  readonly tableGroup: number;
}

/** One pass of the tiles over a weight. */
export interface Pass {
  /** `[N / tileOutputs, K / tileInputs, bits, tileInputs / 4, tileOutputs / 2]` bytes. */
  readonly selectors: Uint8Array;
  /** s': `[N / tileOutputs, K / group, tileOutputs]`, or one for the tensor. */
  readonly scales: Float32Array;
  /** z', in the places of the scales; null where it is 1 everywhere. */
  readonly zeroPoints: Int8Array | null;
}

/** Inputs behind one table. */
export const inputsPerTable = 4;

/** Where the selectors of one `[N, K]` pass lie. */
export interface Geometry extends Layout {
  readonly rows: number;
  readonly columns: number;
}

/** @throws LuthierError when a scale is not finite, or too small to be halved. */
export function packWeight(weight: GridScheme, layout: Layout): Tensors {
  const wrong = weight.scales.findIndex((s) => !Number.isFinite(s) || Math.fround(s / 2) * 2 !== s);
  if (wrong >= 0) {
    throw new LuthierError(
      `lut-tensor-core cannot pack the weight: half of its scale ${wrong}, ${weight.scales[wrong]}, is no float32`,
      "quantize the linear again, or keep it float",
    );
  }
  const geometry = { ...layout, rows: weight.rows, columns: weight.columns };
  const shapes = tensorShapes(weight, layout);
  const tensors: Record<string, TensorBytes> = {};
  for (let pass = 0; pass < layout.passes; pass++) {
    const { codes, scales, zeroPoints } =
      weight.scheme === "int" ? weight : { ...planeCodes(weight, pass), zeroPoints: null };
    const selectors = packCodes(codes, geometry);
    tensors[`pass${pass}.selectors`] = { dtype: "U8", shape: shapes.selectors, bytes: selectors };
    const halved = new Float32Array(scales.length);
    eachScale(weight, layout, (at, from) => {
      halved[at] = scales[from] / 2;
    });
    const scaleBytes = new Uint8Array(halved.buffer);
    tensors[`pass${pass}.scales`] = { dtype: "F32", shape: shapes.scales, bytes: scaleBytes };
    if (zeroPoints === null) continue;
    const odd = new Int8Array(zeroPoints.length);
    eachScale(weight, layout, (at, from) => {
      odd[at] = reinterpretedZeroPoint(zeroPoints[from], layout.bits);
    });
    const bytes = new Uint8Array(odd.buffer);
    tensors[`pass${pass}.zero_points`] = { dtype: "I8", shape: shapes.scales, bytes };
  }
  return tensors;
}

/** z' = 2z + 1 − 2^b, so that s(q − z) = s'(q' − z') with q' = 2q − (2^b − 1) and s' = s / 2. */
export function reinterpretedZeroPoint(zeroPoint: number, bits: number): number {
  return 2 * zeroPoint + 1 - 2 ** bits;
}

/** @throws LuthierError when a pass is missing or holds what no weight is packed into. */
export function passesOf(tensors: Tensors, outline: GridOutline, layout: Layout): readonly Pass[] {
  const shapes = tensorShapes(outline, layout);
  return Array.from({ length: layout.passes }, (_, pass) => {
    const selectors = tensorOf(tensors, `pass${pass}.selectors`, "U8", shapes.selectors).bytes;
    const bytes = tensorOf(tensors, `pass${pass}.scales`, "F32", shapes.scales).bytes;
    const scales = new Float32Array(bytes.slice().buffer);
    if (!scales.every((scale) => Number.isFinite(Math.fround(2 * scale))))
      throw damagedPack(`its tensor pass${pass}.scales holds NaN, infinity or a value whose double is`);
    return { selectors, scales, zeroPoints: zeroPointsOf(tensors, pass, outline, layout, shapes.scales) };
  });
}

function zeroPointsOf(
  tensors: Tensors,
  pass: number,
  outline: GridOutline,
  { bits }: Layout,
  shape: readonly number[],
): Int8Array | null {
  if (outline.scheme !== "int" || outline.symmetric) return null;
  const name = `pass${pass}.zero_points`;
  const zeroPoints = new Int8Array(tensorOf(tensors, name, "I8", shape).bytes.slice().buffer);
  const wrong = zeroPoints.find((zero) => zero % 2 === 0 || Math.abs(zero) >= 2 ** bits);
  if (wrong !== undefined)
    throw damagedPack(`its tensor ${name} holds ${wrong}, no odd value of ${bits} bits`);
  return zeroPoints;
}

function tensorShapes(outline: GridOutline, { bits, tileOutputs, tileInputs }: Layout) {
  const { rows, columns, group, scaleRows } = outline;
  const tiles = rows / tileOutputs;
  return {
    selectors: [tiles, columns / tileInputs, bits, tileInputs / inputsPerTable, tileOutputs / 2],
    scales: scaleRows === 1 ? [1] : [tiles, columns / group, tileOutputs],
  };
}

/** @throws LuthierError when the tensors do not fit the layout or hold what no weight is packed into. */
export function unpackWeight(tensors: Tensors, outline: GridOutline, layout: Layout): GridScheme {
  const geometry = { ...layout, rows: outline.rows, columns: outline.columns };
  const passes = passesOf(tensors, outline, layout);
  const perPass = scaleCount(outline);
  const scales = new Float32Array(passes.length * perPass);
  for (const [pass, { scales: halved }] of passes.entries()) {
    eachScale(outline, layout, (at, from) => {
      scales[pass * perPass + from] = 2 * halved[at];
    });
  }
  if (outline.scheme === "planes") return { ...outline, codes: trits(passes, geometry), scales };
  const codes = codesOf(passes[0].selectors, geometry);
  const odd = passes[0].zeroPoints;
  if (odd === null) return { ...outline, codes, scales, zeroPoints: null };
  const zeroPoints = new Uint8Array(odd.length);
  eachScale(outline, layout, (at, from) => {
    zeroPoints[from] = (odd[at] - 1 + 2 ** outline.bits) / 2;
  });
  return { ...outline, codes, scales, zeroPoints };
}

/** A trit t is the symmetric two-bit code t + 2: q' = 2t + 1, z' = 1, so that s'(q' − z') = s · t. */
function planeCodes(weight: PlanesScheme, plane: number): Pick<IntScheme, "codes" | "scales"> {
  const size = weight.rows * weight.columns;
  // `Uint8Array.from` would list 24 bytes a weight; bytes count modulo 256.
  const codes = new Uint8Array(weight.codes.subarray(plane * size, (plane + 1) * size)).map((t) => t + 2);
  const count = scaleCount(weight);
  return { codes, scales: weight.scales.subarray(plane * count, (plane + 1) * count) };
}

/** `[planes, N, K]`. @throws LuthierError for a code that is no trit. */
function trits(passes: readonly Pass[], geometry: Geometry): Int8Array {
  const size = geometry.rows * geometry.columns;
  const out = new Int8Array(passes.length * size);
  for (const [plane, { selectors }] of passes.entries()) {
    const codes = codesOf(selectors, geometry);
    const wrong = codes.indexOf(0);
    if (wrong >= 0)
      throw damagedPack(`weight ${wrong} of its trit plane ${plane} has the code 0, trits are 1 to 3`);
    for (let i = 0; i < size; i++) out[plane * size + i] = codes[i] - 2;
  }
  return out;
}

/**
 * Inversion done offline (the paper's table symmetrization): where bit 3 of an index is set, bits 2..0 are stored
 * inverted, so that the hardware reads entry W'2..0 of its eight and only negates. The same step takes a selector back.
 */
export function remapped(index: number): number {
  return index & 8 ? index ^ 7 : index;
}

/** `[N, K]` codes into selectors. */
function packCodes(codes: Uint8Array, geometry: Geometry): Uint8Array {
  const { rows, columns, bits } = geometry;
  const out = new Uint8Array((codes.length * bits) / 8);
  for (let output = 0; output < rows; output++) {
    for (let input = 0; input < columns; input += inputsPerTable) {
      const at = output * columns + input;
      for (let plane = 0; plane < bits; plane++) {
        let index = 0;
        for (let j = 0; j < inputsPerTable; j++) index |= ((codes[at + j] >> plane) & 1) << j;
        out[selectorByte(output, input, plane, geometry)] |= remapped(index) << selectorShift(output);
      }
    }
  }
  return out;
}

function codesOf(selectors: Uint8Array, geometry: Geometry): Uint8Array {
  const { rows, columns, bits } = geometry;
  const codes = new Uint8Array(rows * columns);
  for (let output = 0; output < rows; output++) {
    for (let input = 0; input < columns; input += inputsPerTable) {
      const at = output * columns + input;
      for (let plane = 0; plane < bits; plane++) {
        const byte = selectors[selectorByte(output, input, plane, geometry)];
        const index = remapped((byte >> selectorShift(output)) & 15);
        for (let j = 0; j < inputsPerTable; j++) codes[at + j] |= ((index >> j) & 1) << plane;
      }
    }
  }
  return codes;
}

/**
 * The byte of a selector. From the outside in: tiles of N outputs, tiles of K inputs, bit planes, the tables of a tile,
 * outputs. The selectors of a plane of a tile are one beat: 256 bits for N = 64, K = 4.
 */
export function selectorByte(output: number, input: number, plane: number, geometry: Geometry): number {
  const { columns, bits, tileOutputs, tileInputs } = geometry;
  const tile = Math.floor(output / tileOutputs) * (columns / tileInputs) + Math.floor(input / tileInputs);
  const table = Math.floor((input % tileInputs) / inputsPerTable);
  const line = (tile * bits + plane) * (tileInputs / inputsPerTable) + table;
  return line * (tileOutputs / 2) + ((output % tileOutputs) >> 1);
}

/** Even outputs lie in the low nibble. */
export function selectorShift(output: number): number {
  return (output & 1) * 4;
}

/** Where the scale of an output and a weight group lies. */
export function scalePlace(output: number, group: number, groups: number, tileOutputs: number): number {
  return (Math.floor(output / tileOutputs) * groups + group) * tileOutputs + (output % tileOutputs);
}

/** Visits the places of scales: `at` in the pack, `from` in the grid `[N, K / group]`. */
function eachScale(
  { rows, columns, group, scaleRows }: GridOutline,
  { tileOutputs }: Layout,
  visit: (at: number, from: number) => void,
): void {
  if (scaleRows === 1) {
    visit(0, 0);
    return;
  }
  const groups = columns / group;
  for (let output = 0, from = 0; output < rows; output++) {
    for (let at = 0; at < groups; at++, from++) visit(scalePlace(output, at, groups, tileOutputs), from);
  }
}
