import { z } from "zod";
import { roundHalfToEven } from "../kernels/round-to-nearest.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { ActivationScheme } from "./scheme.js";

/** An activation scheme as files state it. */
export const activationScheme: z.ZodType<ActivationScheme> = z.discriminatedUnion("scheme", [
  z.strictObject({ scheme: z.literal("float") }),
  z.strictObject({ scheme: z.literal("int8"), per: z.literal("token") }),
]);

/** One token's input as INT8 codes with the factor that made them. */
export interface Int8Token {
  /** `[K]`, −128 … 127. */
  readonly codes: Int8Array;
  /** `127 / max(|x|, 1e-5)`, float32: `x ≈ code / scale`. */
  readonly scale: number;
}

/**
 * INT8 by absmax, one scale a token: `round(x · 127 / max|x|)`, float32, half to even.
 * Source: BitNet b1.58 (arXiv 2402.17764 §2) and the `activation_quant` of its published code.
 */
export function quantizeToken(x: Float32Array): Int8Token {
  let most = Math.fround(1e-5);
  for (const value of x) most = Math.max(most, Math.abs(value));
  const scale = Math.fround(127 / most);
  const codes = new Int8Array(x.length);
  for (let i = 0; i < x.length; i++) {
    codes[i] = Math.max(-128, Math.min(127, roundHalfToEven(Math.fround(x[i] * scale))));
  }
  return { codes, scale };
}

/** The input `[tokens, K]` as the scheme can represent it, in float32 again. */
export function asRepresented(input: Matrix, activation: ActivationScheme): Matrix {
  if (activation.scheme === "float") return input;
  const out = matrix(input.rows, input.columns);
  for (let token = 0; token < input.rows; token++) {
    const first = token * input.columns;
    const { codes, scale } = quantizeToken(input.data.subarray(first, first + input.columns));
    for (let i = 0; i < codes.length; i++) out.data[first + i] = codes[i] / scale;
  }
  return out;
}
