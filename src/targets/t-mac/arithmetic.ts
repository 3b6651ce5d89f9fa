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

/** What one token's product goes through. */
export interface TokenSteps {
  readonly tables: Tables;
  readonly passes: readonly PassSteps[];
  /** `[N]`: the passes' outputs added in float32, in their order. */
  readonly output: Float32Array;
}

export interface PassSteps {
  /** `[K / activationGroup, N · bits]`: sums of table entries, INT16, by group and expanded row. */
  readonly lookupSums: Int16Array;
  /** `[N · bits]`, by expanded row. */
  readonly accumulators: Float32Array;
  /** `[N]` */
  readonly outputs: Float32Array;
}

/** Outputs `[tokens, N]`. */
export function multiply(input: Matrix, passes: readonly Pass[], shape: PassShape): Matrix {
  const out = matrix(input.rows, shape.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    out.data.set(tokenSteps(x, passes, shape).output, token * shape.rows);
  }
  return out;
}

/** One token's product with everything on the way. */
export function tokenSteps(x: Float32Array, passes: readonly Pass[], shape: PassShape): TokenSteps {
  const tables = buildTables(x, shape.activationGroup);
  const steps = passes.map((pass) => passSteps(tables, pass, shape));
  const output = steps[0].outputs.slice();
  for (const { outputs } of steps.slice(1)) for (let m = 0; m < output.length; m++) output[m] += outputs[m];
  return { tables, passes: steps, output };
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

/** One pass: 8 or 16 lookups at a time summed as integers, everything else in float32. */
function passSteps(tables: Tables, pass: Pass, shape: PassShape): PassSteps {
  const { bits, kFactor, tileRows } = shape;
  const indices = shape.columns / inputsPerIndex;
  const expandedRows = shape.rows * bits;
  const lookupSums = new Int16Array((shape.columns / shape.activationGroup) * expandedRows);
  const accumulators = new Float32Array(expandedRows);
  let at = 0;
  for (let tile = 0; tile < expandedRows; tile += tileRows) {
    for (let block = 0; block < indices; block += kFactor) {
      for (let row = tile; row < tile + tileRows; row += 32) {
        const bytes = pass.weight.subarray(at, at + kFactor * 16);
        addBlock({ lookupSums, accumulators }, row, block, bytes, tables, pass, shape);
        at += kFactor * 16;
      }
    }
  }
  return { lookupSums, accumulators, outputs: joinPlanes(accumulators, bits) };
}

/** Adds `kFactor` indices to 32 expanded rows from `row` on. */
function addBlock(
  { lookupSums, accumulators }: Pick<PassSteps, "lookupSums" | "accumulators">,
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
    const sumsAt = group * accumulators.length + row;
    const lookups = lookupSums.subarray(sumsAt, sumsAt + 32);
    lookUp(bytes.subarray(first * 16), tables.entries.subarray((block + first) * 16), perGroup, lookups);
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
    const accumulator = fusedMultiplyAdd(sums[lane], pass.scales[at], accumulators[row + lane]);
    accumulators[row + lane] = accumulator;
    if (shape.hasZeros && bitPlane(row + lane, shape.bits) === 0) {
      const zero = pass.scales[at + 8];
      accumulators[row + lane] = fusedMultiplyAdd(zero, Math.fround(2 * bias), accumulator);
    }
  }
}

/** Adds `count` lookups to the sums of 32 rows; at most 16 · 127, so INT16 holds it. */
function lookUp(bytes: Uint8Array, entries: Int8Array, count: number, sums: Int16Array): void {
  for (let index = 0; index < count; index++) {
    for (let lane = 0; lane < 16; lane++) {
      const byte = bytes[index * 16 + lane];
      sums[lane] += entries[index * 16 + (byte & 15)];
      sums[lane + 16] += entries[index * 16 + (byte >> 4)];
    }
  }
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
