import type { PlanesOutline } from "../../schemes/planes.js";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import { numberToFloat16, widen } from "../../tensor/float.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import { coefficientsOf, intScales, planesScales } from "./coefficients.js";

/*
 * The tensors that LUT-GEMM's kernels read (naver-aics/lut-gemm, lutGEMM/include/nQWeight_fp16.h). README.md draws them.
 */

/** How one linear is laid out, all choices made. */
export interface Layout {
  /** Sign planes: q. */
  readonly planes: number;
  /** Inputs of a thread block: 32 in the kernel with a bias, 64 in the one without. */
  readonly kTile: 32 | 64;
}

/** A linear as the kernels take it. */
export interface SignWeight extends Layout {
  readonly rows: number;
  readonly columns: number;
  readonly group: number;
  /** `[K / 32, planes, N]` little-endian words: bit j is 1 where the sign of input 32·k + j is +. */
  readonly words: Uint8Array;
  /** `[K / group, planes, N]` float16. */
  readonly alpha: Uint8Array;
  /** `[K / group, N]` float16; null in the kernel without a bias. */
  readonly bias: Uint8Array | null;
}

/** Inputs behind one word. */
const inputsPerWord = 32;

/** @throws LuthierError when a scale does not fit, see `coefficientsOf`. */
export function packWeight(weight: GridScheme, layout: Layout): Tensors {
  const { alpha, bias } = coefficientsOf(weight);
  const shapes = tensorShapes(weight, layout);
  return {
    bWeight: { dtype: "U32", shape: shapes.bWeight, bytes: packSigns(weight, layout) },
    alpha: { dtype: "F16", shape: shapes.alpha, bytes: toKernel(alpha, weight, layout.planes) },
    ...(layout.kTile === 32 && {
      q_bias: { dtype: "F16", shape: shapes.q_bias, bytes: toKernel(bias, weight, 1) },
    }),
  };
}

/** @throws LuthierError when a tensor is missing or is not as the layout says. */
export function weightOf(tensors: Tensors, outline: GridOutline, layout: Layout): SignWeight {
  const { rows, columns, group } = outline;
  const shapes = tensorShapes(outline, layout);
  const words = tensorOf(tensors, "bWeight", "U32", shapes.bWeight).bytes;
  const alpha = halvesOf(tensors, "alpha", shapes.alpha);
  const bias = layout.kTile === 32 ? halvesOf(tensors, "q_bias", shapes.q_bias) : null;
  return { ...layout, rows, columns, group, words, alpha, bias };
}

/** @throws LuthierError when the tensors do not fit the layout or hold what no weight is packed into. */
export function unpackWeight(tensors: Tensors, outline: GridOutline, layout: Layout): GridScheme {
  const weight = weightOf(tensors, outline, layout);
  const words = new Uint32Array(weight.words.slice().buffer);
  const alpha = fromKernel(weight.alpha, outline, layout.planes);
  const bias = weight.bias ? fromKernel(weight.bias, outline, 1) : new Float32Array(scaleCount(outline));
  if (outline.scheme === "int")
    return { ...outline, ...intScales({ alpha, bias }, outline), codes: intCodes(words, outline, layout) };
  const codes = planesCodes(words, outline, layout);
  return { ...outline, ...planesScales({ alpha, bias }, outline), codes };
}

/** Float16 bytes as float32 values, in the same order. */
export function widened(halves: Uint8Array): Float32Array {
  const out = new Float32Array(halves.length / 2);
  widen("F16", halves, out);
  return out;
}

function tensorShapes({ rows, columns, group }: GridOutline, { planes }: Layout) {
  return {
    bWeight: [columns / inputsPerWord, planes, rows],
    alpha: [columns / group, planes, rows],
    q_bias: [columns / group, rows],
  };
}

function halvesOf(tensors: Tensors, name: string, shape: readonly number[]): Uint8Array {
  const { bytes } = tensorOf(tensors, name, "F16", shape);
  if (!widened(bytes).every(Number.isFinite)) throw damagedPack(`its tensor ${name} holds NaN or infinity`);
  return bytes;
}

function packSigns(weight: GridScheme, { planes }: Layout): Uint8Array {
  const { rows, columns } = weight;
  const words = new Uint32Array((columns / inputsPerWord) * planes * rows);
  for (let plane = 0; plane < planes; plane++) {
    const isPlus = signReader(weight, plane);
    for (let row = 0, input = 0; row < rows; row++) {
      for (let at = plane * rows + row; at < words.length; at += planes * rows) {
        let word = 0;
        for (let bit = 0; bit < inputsPerWord; bit++, input++) word |= isPlus(input) << bit;
        words[at] = word;
      }
    }
  }
  return new Uint8Array(words.buffer);
}

/** Whether weight i of `[N, K]` has + in a sign plane, as a bit. */
function signReader(weight: GridScheme, plane: number): (i: number) => number {
  const { codes } = weight;
  if (weight.scheme === "int") return (i) => (codes[i] >> plane) & 1;
  const size = weight.rows * weight.columns;
  if (weight.alphabet === "signs") return (i) => Number(codes[plane * size + i] > 0);
  const first = (plane >> 1) * size;
  const least = plane & 1; // + from trit 0 on in the first of two planes, from 1 on in the second
  return (i) => Number(codes[first + i] >= least);
}

function intCodes(words: Uint32Array, outline: GridOutline, layout: Layout): Uint8Array {
  const codes = new Uint8Array(outline.rows * outline.columns);
  for (let plane = 0; plane < layout.planes; plane++) {
    const bits = bitsOfPlane(words, outline, layout, plane);
    for (let i = 0; i < codes.length; i++) codes[i] |= bits[i] << plane;
  }
  return codes;
}

/** @throws LuthierError when a pair of signs is no trit. */
function planesCodes(words: Uint32Array, outline: PlanesOutline, layout: Layout): Int8Array {
  const size = outline.rows * outline.columns;
  const codes = new Int8Array(outline.planes * size);
  for (let plane = 0; plane < outline.planes; plane++) {
    const own = codes.subarray(plane * size, (plane + 1) * size);
    if (outline.alphabet === "signs") {
      const bits = bitsOfPlane(words, outline, layout, plane);
      for (let i = 0; i < size; i++) own[i] = 2 * bits[i] - 1;
      continue;
    }
    const first = bitsOfPlane(words, outline, layout, 2 * plane);
    const second = bitsOfPlane(words, outline, layout, 2 * plane + 1);
    for (let i = 0; i < size; i++) {
      if (second[i] > first[i])
        throw damagedPack(`weight ${i} of its trit plane ${plane} has the signs − +, which is no trit`);
      own[i] = first[i] + second[i] - 1;
    }
  }
  return codes;
}

/** `[N, K]`, 1 for +. */
function bitsOfPlane(
  words: Uint32Array,
  { rows, columns }: GridOutline,
  { planes }: Layout,
  plane: number,
): Uint8Array {
  const bits = new Uint8Array(rows * columns);
  for (let row = 0, input = 0; row < rows; row++) {
    for (let at = plane * rows + row; at < words.length; at += planes * rows) {
      for (let bit = 0; bit < inputsPerWord; bit++, input++) bits[input] = (words[at] >>> bit) & 1;
    }
  }
  return bits;
}

/** `[planes, N, K / group]` values as `[K / group, planes, N]` float16. */
function toKernel(values: Float32Array, outline: GridOutline, planes: number): Uint8Array {
  const halves = new Uint16Array(values.length);
  eachCoefficient(outline, planes, (at, from) => {
    halves[at] = numberToFloat16(values[from]);
  });
  return new Uint8Array(halves.buffer);
}

function fromKernel(halves: Uint8Array, outline: GridOutline, planes: number): Float32Array {
  const values = widened(halves);
  const out = new Float32Array(values.length);
  eachCoefficient(outline, planes, (at, to) => {
    out[to] = values[at];
  });
  return out;
}

function eachCoefficient(
  { rows, columns, group }: GridOutline,
  planes: number,
  visit: (kernel: number, scheme: number) => void,
): void {
  const groups = columns / group;
  let at = 0;
  for (let column = 0; column < groups; column++)
    for (let plane = 0; plane < planes; plane++)
      for (let row = 0; row < rows; row++) visit(at++, (plane * rows + row) * groups + column);
}
