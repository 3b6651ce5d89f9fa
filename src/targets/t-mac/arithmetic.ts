import { roundHalfToEven } from "../../kernels/round-to-nearest.js";
import { fusedMultiplyAdd } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { inputsPerIndex, type Layout, type Pass } from "./layout.js";

/*
 * T-MAC's x86 arithmetic with exact aggregation, step by step as its AVX2 intrinsics do it (microsoft/T-MAC,
 * python/t_mac/intrins/lut_ctor.cc and tbl.cc): float32, fused multiply-adds where the source has them.
 */

/** How a pass is computed: its layout and how far a weight scale reaches. */
export interface PassShape extends Layout {
  readonly rows: number;
  readonly columns: number;
  readonly group: number;
  readonly hasZeros: boolean;
  readonly oneScale: boolean;
}

/** The tables of one token. */
export interface Tables {
  /** `[K / 4, 16]`, INT8. */
  readonly entries: Int8Array;
  /** `[K / activationGroup]`: what an entry's unit stands for. */
  readonly scales: Float32Array;
  /** `[K / activationGroup]`: −Σx of the group. */
  readonly biases: Float32Array;
}

/** Outputs `[tokens, N]`: the passes' outputs added in float32, in their order. */
export function multiply(input: Matrix, passes: readonly Pass[], shape: PassShape): Matrix {
  const out = matrix(input.rows, shape.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    const tables = buildTables(x, shape.activationGroup);
    const y = out.data.subarray(token * shape.rows, (token + 1) * shape.rows);
    for (const [index, pass] of passes.entries()) {
      const part = passOutputs(tables, pass, shape);
      for (let m = 0; m < y.length; m++) y[m] = index === 0 ? part[m] : y[m] + part[m];
    }
  }
  return out;
}

/** For every four inputs the 16 signed sums, quantized with one scale an activation group. */
export function buildTables(x: Float32Array, activationGroup: number): Tables {
  const groups = x.length / activationGroup;
  const entries = new Int8Array((x.length / inputsPerIndex) * 16);
  const scales = new Float32Array(groups);
  const biases = new Float32Array(groups);
  for (let group = 0; group < groups; group++) {
    const first = group * activationGroup;
    scales[group] = tableScale(x.subarray(first, first + activationGroup));
    const unit = scales[group] === 0 ? 0 : Math.fround(1 / scales[group]);
    // The AVX2 code takes 32 inputs at a time, eight tables side by side.
    for (let at = first; at < first + activationGroup; at += 32) {
      const allNegative = new Float32Array(8);
      for (let lane = 0; lane < 8; lane++) {
        const table = signedSums(x, at + lane * inputsPerIndex);
        allNegative[lane] = table[0];
        const to = (at / inputsPerIndex + lane) * 16;
        for (let entry = 0; entry < 16; entry++)
          entries[to + entry] = toInt8(Math.fround(table[entry] * unit));
      }
      biases[group] += horizontalSum(allNegative);
    }
  }
  return { entries, scales, biases };
}

/** Largest Σ|x| of four neighbours, over 127. */
function tableScale(x: Float32Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i += inputsPerIndex) {
    const [a, b, c, d] = [Math.abs(x[i]), Math.abs(x[i + 1]), Math.abs(x[i + 2]), Math.abs(x[i + 3])];
    const sum = Math.fround(Math.fround(a + b) + Math.fround(c + d));
    if (sum > most) most = sum;
  }
  return Math.fround(most / 127);
}

/** Entry e = Σ ±x_j, + where bit j of e is set: odd entries are summed, even ones are their mirror's negation. */
function signedSums(x: Float32Array, first: number): Float32Array {
  const table = new Float32Array(16);
  for (let entry = 1; entry < 16; entry += 2) {
    let sum = x[first];
    for (let j = 1; j < inputsPerIndex; j++)
      sum = Math.fround(entry & (1 << j) ? sum + x[first + j] : sum - x[first + j]);
    table[entry] = sum;
  }
  for (let entry = 0; entry < 16; entry += 2) table[entry] = -table[15 - entry];
  return table;
}

/**
 * Half to even and saturating. A subnormal scale can have an infinite reciprocal; x86 turns the products, ±∞ and NaN
 * alike, into the least INT32 and so into −128.
 */
function toInt8(x: number): number {
  if (!Number.isFinite(x)) return -128;
  return Math.max(-128, Math.min(127, roundHalfToEven(x)));
}

/** Eight lanes in the order of `_mm256_addv_ps`: halves, then pairs, then neighbours. */
function horizontalSum(v: Float32Array): number {
  const four = [0, 1, 2, 3].map((lane) => Math.fround(v[lane + 4] + v[lane]));
  const two = [Math.fround(four[0] + four[2]), Math.fround(four[1] + four[3])];
  return Math.fround(two[0] + two[1]);
}

/** `[N]` outputs of one pass: 16 lookups at a time summed as integers, everything else in float32. */
function passOutputs(tables: Tables, pass: Pass, shape: PassShape): Float32Array {
  const { bits, kFactor, tileRows } = shape;
  const indices = shape.columns / inputsPerIndex;
  const accumulators = new Float32Array(shape.rows * bits); // [expanded rows]
  let at = 0;
  for (let tile = 0; tile < accumulators.length; tile += tileRows) {
    for (let block = 0; block < indices; block += kFactor) {
      for (let row = tile; row < tile + tileRows; row += 32) {
        addBlock(
          accumulators.subarray(row, row + 32),
          row,
          block,
          pass.weight.subarray(at),
          tables,
          pass,
          shape,
        );
        at += kFactor * 16;
      }
    }
  }
  return joinPlanes(accumulators, bits);
}

/** Adds `kFactor` indices to 32 expanded rows from `row` on. */
function addBlock(
  accumulators: Float32Array,
  row: number,
  block: number,
  bytes: Uint8Array,
  tables: Tables,
  pass: Pass,
  shape: PassShape,
): void {
  const perGroup = shape.activationGroup / inputsPerIndex;
  const sums = new Float32Array(32);
  let bias = 0;
  for (let first = 0; first < shape.kFactor; first += perGroup) {
    const group = (block + first) / perGroup;
    const lookups = lookUp(
      bytes.subarray(first * 16),
      tables.entries.subarray((block + first) * 16),
      perGroup,
    );
    bias = Math.fround(bias + tables.biases[group]);
    for (let lane = 0; lane < 32; lane++) {
      const scaled =
        bitPlane(row + lane, shape.bits) === 0
          ? fusedMultiplyAdd(lookups[lane], tables.scales[group], tables.biases[group])
          : Math.fround(lookups[lane] * tables.scales[group]);
      sums[lane] = first === 0 ? scaled : sums[lane] + scaled;
    }
  }
  for (let lane = 0; lane < 32; lane++) {
    const at = scalePlace(row + lane, block * inputsPerIndex, shape);
    accumulators[lane] = fusedMultiplyAdd(sums[lane], pass.scales[at], accumulators[lane]);
    if (shape.hasZeros && bitPlane(row + lane, shape.bits) === 0) {
      const zero = pass.scales[at + 8];
      accumulators[lane] = fusedMultiplyAdd(zero, Math.fround(2 * bias), accumulators[lane]);
    }
  }
}

/** For 32 rows the sum of `count` lookups; at most 16 · 127, so INT16 holds it. */
function lookUp(bytes: Uint8Array, entries: Int8Array, count: number): Int16Array {
  const sums = new Int16Array(32);
  for (let index = 0; index < count; index++) {
    for (let lane = 0; lane < 16; lane++) {
      const byte = bytes[index * 16 + lane];
      sums[lane] += entries[index * 16 + (byte & 15)];
      sums[lane + 16] += entries[index * 16 + (byte >> 4)];
    }
  }
  return sums;
}

function bitPlane(expandedRow: number, bits: number): number {
  return Math.floor(expandedRow / 8) % bits;
}

/** Where the scale of an expanded row and an input lies; its zero is eight further. */
function scalePlace(expandedRow: number, input: number, shape: PassShape): number {
  if (shape.oneScale) return 0;
  const { bits, tileRows, group, columns, hasZeros } = shape;
  const tile = Math.floor(expandedRow / tileRows);
  const eightsPerTile = tileRows / bits / 8;
  const eight = Math.floor((expandedRow % tileRows) / (8 * bits));
  const eights = (tile * (columns / group) + Math.floor(input / group)) * eightsPerTile + eight;
  return eights * (hasZeros ? 16 : 8) + (expandedRow % 8);
}

/** `y = ½C₀ + C₁ + 2C₂ + 4C₃`, added in that order. */
function joinPlanes(accumulators: Float32Array, bits: number): Float32Array {
  const out = new Float32Array(accumulators.length / bits);
  for (let m = 0; m < out.length; m++) {
    const first = Math.floor(m / 8) * 8 * bits + (m % 8);
    let sum = Math.fround(accumulators[first] * 0.5); // inexact where C₀ is subnormal
    for (let bit = 1; bit < bits; bit++)
      sum = Math.fround(sum + accumulators[first + 8 * bit] * 2 ** (bit - 1));
    out[m] = sum;
  }
  return out;
}
