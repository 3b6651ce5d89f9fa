import { roundHalfToEven } from "../../kernels/round-to-nearest.js";
import { type Int8Token, quantizeToken } from "../../schemes/activation.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { i2sSums } from "./i2-s.js";
import { type Lookups, lookUp } from "./lookups.js";
import type { PackedWeight } from "./weight.js";

/** What one token's product goes through. */
export interface TokenSteps {
  readonly token: Int8Token;
  readonly sums: I2sSteps | TableSteps;
  /** `[N]`, float32. */
  readonly output: Float32Array;
}

export interface I2sSteps {
  /** `Σ x` of the token's codes. */
  readonly tokenSum: number;
  /** `[N]`, exact: `Σ (trit + 1) · x`. */
  readonly accumulators: Int32Array;
}

export interface TableSteps {
  /** In the order of K: threes, then twos. */
  readonly lookups: readonly Lookups[];
  /** `[N]`, exact: `Σ trit · x`. */
  readonly accumulators: Int32Array;
}

/** bitnet.cpp's products: INT8 tokens, exact sums, one float32 division and multiplication. Outputs `[tokens, N]`. */
export function multiply(input: Matrix, weight: PackedWeight): Matrix {
  const out = matrix(input.rows, weight.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    out.data.set(tokenSteps(x, weight).output, token * weight.rows);
  }
  return out;
}

/** One token's product with everything on the way. */
export function tokenSteps(x: Float32Array, weight: PackedWeight): TokenSteps {
  const { rows, bytes, format, scale } = weight;
  if ("blockBytes" in format) {
    const token = quantizeToken(x);
    const accumulators = i2sSums(bytes, rows, format.blockBytes, token.codes);
    const tokenSum = token.codes.reduce((sum, code) => sum + code, 0);
    const output = Float32Array.from(accumulators, (sum) =>
      dequantized(Math.fround(sum) - Math.fround(tokenSum), token.scale, scale),
    );
    return { token, sums: { tokenSum, accumulators }, output };
  }
  const token = quantizeForTables(x);
  const lookups = format.runs.map((run) => lookUp(bytes, run, token.codes, rows));
  const accumulators = new Int32Array(rows);
  for (const { sums } of lookups) for (let i = 0; i < sums.length; i++) accumulators[i % rows] += sums[i];
  const output = Float32Array.from(accumulators, (sum) => dequantized(sum, token.scale, scale));
  return { token, sums: { lookups, accumulators }, output };
}

/**
 * TL1 and TL2 quantize as I2_S does, but know no least magnitude (`per_tensor_quant`, `lut_ctor`). The reciprocal of next
 * to nothing is then infinite: its codes are 0 here, and the result, divided by infinity, is 0 whatever they are.
 */
export function quantizeForTables(x: Float32Array): Int8Token {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  const scale = Math.fround(127 / most);
  const codes = new Int8Array(x.length);
  if (scale === Number.POSITIVE_INFINITY) return { codes, scale };
  for (let i = 0; i < x.length; i++) codes[i] = roundHalfToEven(Math.fround(x[i] * scale));
  return { codes, scale };
}

/** `sum / token scale · weight scale`, each step rounded to float32. */
function dequantized(sum: number, tokenScale: number, weightScale: number): number {
  return Math.fround(Math.fround(sum) / tokenScale) * weightScale;
}
