import { roundHalfToEven } from "../../kernels/round-to-nearest.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { type BlockType, readLevels } from "./blocks.js";
import { type Blocks, scaleOf } from "./layout.js";

/*
 * ggml's generic CPU product (ggml-cpu/quants.c, ggml_vec_dot_*_generic; ggml-quants.c, quantize_row_q8_0_ref and
 * quantize_row_q8_K_ref): the input is rounded to INT8 in runs, a run's products are added in INT32, and the runs' sums
 * are scaled and added in float32, in order.
 */

/** A token's input rounded to INT8 with one scale a run. */
export interface RoundedToken {
  /** `[K]`. */
  readonly codes: Int8Array;
  /** `[K / run]`, float32. */
  readonly scales: Float32Array;
}

/** Inputs that share a scale: blocks of Q8_K, or of Q8_0. */
export function runOf(type: BlockType): number {
  return type.size === 256 ? 256 : 32;
}

/** `[tokens, K]` → `[tokens, N]`. */
export function multiply(input: Matrix, blocks: Blocks): Matrix {
  const out = matrix(input.rows, blocks.rows);
  const tokens = Array.from({ length: input.rows }, (_, token) =>
    roundToken(input.data.subarray(token * input.columns, (token + 1) * input.columns), blocks.type),
  );
  for (let row = 0; row < blocks.rows; row++) {
    const weights = rowOf(blocks, row);
    for (const [token, x] of tokens.entries()) {
      out.data[token * blocks.rows + row] = scaledSum(
        runSums(weights.levels, x),
        weights.scales,
        x,
        blocks.type,
      );
    }
  }
  return out;
}

/** As the block type's products take it: Q8_K for the ternary types, else Q8_0. */
export function roundToken(x: Float32Array, type: BlockType): RoundedToken {
  const run = runOf(type);
  const codes = new Int8Array(x.length);
  const scales = new Float32Array(x.length / run);
  for (let i = 0; i < scales.length; i++) {
    const part = x.subarray(i * run, (i + 1) * run);
    const into = codes.subarray(i * run, (i + 1) * run);
    scales[i] = run === 256 ? roundQ8K(part, into) : roundQ80(part, into);
  }
  return { codes, scales };
}

export interface WeightRow {
  /** `[K]`. */
  readonly levels: Int8Array;
  /** `[K / size]`, FP16 values. */
  readonly scales: Float32Array;
}

export function rowOf(blocks: Blocks, row: number): WeightRow {
  const { type, columns, bytes } = blocks;
  const levels = new Int8Array(columns);
  const scales = new Float32Array(columns / type.size);
  for (let i = 0; i < scales.length; i++) {
    const block = row * scales.length + i;
    const at = bytes.subarray(block * type.bytes, (block + 1) * type.bytes);
    readLevels(type, at, levels.subarray(i * type.size, (i + 1) * type.size));
    scales[i] = scaleOf(blocks, block);
  }
  return { levels, scales };
}

/** `[K / run]`: Σ level · code of every run, INT32. */
export function runSums(levels: Int8Array, x: RoundedToken): Int32Array {
  const sums = new Int32Array(x.scales.length);
  const run = x.codes.length / sums.length;
  for (let i = 0, k = 0; i < sums.length; i++) {
    for (const end = k + run; k < end; k++) sums[i] += levels[k] * x.codes[k];
  }
  return sums;
}

/** The runs' sums with both scales, in float32; the types differ in what is multiplied first. */
export function scaledSum(sums: Int32Array, scales: Float32Array, x: RoundedToken, type: BlockType): number {
  const f = Math.fround;
  let sum = 0;
  for (let i = 0; i < scales.length; i++) {
    switch (type.name) {
      case "tq1_0":
      case "tq2_0":
      case "q8_0":
        sum = f(sum + f(sums[i] * f(scales[i] * x.scales[i])));
        break;
      case "q4_0":
        sum = f(sum + f(f(sums[i] * scales[i]) * x.scales[i]));
        break;
      case "q2_0": {
        // 64 weights meet two runs of 32 inputs.
        const first = f(x.scales[2 * i] * sums[2 * i]);
        const both = f(first + f(x.scales[2 * i + 1] * sums[2 * i + 1]));
        sum = f(sum + f(scales[i] * both));
      }
    }
  }
  return sum;
}

/**
 * Q8_0: `d = max|x| / 127`, codes `x · (1 / d)` rounded half away from zero; d is kept as FP16.
 * ggml leaves open what becomes of NaN and of `1 / d` beyond float32: here NaN makes d NaN, and codes are clamped.
 */
function roundQ80(x: Float32Array, codes: Int8Array): number {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value)); // Math.max keeps NaN
  const d = Math.fround(most / 127);
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  for (let i = 0; i < x.length; i++) codes[i] = clamped(halfAway(Math.fround(x[i] * inverse)));
  return roundToFloat16(d);
}

/**
 * Q8_K: `m` the first input of largest magnitude, with its sign; codes `x · (−127 / m)` rounded half to even;
 * `d = 1 / (−127 / m)`, float32.
 */
function roundQ8K(x: Float32Array, codes: Int8Array): number {
  let most = 0;
  let signed = 0;
  for (const value of x) {
    if (!(Math.abs(value) <= most) && !Number.isNaN(signed)) {
      most = Math.abs(value);
      signed = value;
    }
  }
  if (signed === 0) return 0;
  const inverse = Math.fround(-127 / signed);
  for (let i = 0; i < x.length; i++) codes[i] = clamped(roundHalfToEven(Math.fround(x[i] * inverse)));
  return Math.fround(1 / inverse);
}

function halfAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

/** NaN becomes 0: the scale tells of it. */
function clamped(value: number): number {
  return Number.isNaN(value) ? 0 : Math.max(-127, Math.min(127, value));
}
