import { z } from "zod";
import { roundHalfToEven } from "../kernels/round-to-nearest.js";
import type { ActivationScheme } from "./scheme.js";

/** An activation scheme as files state it. */
export const activationScheme: z.ZodType<ActivationScheme> = z.discriminatedUnion("scheme", [
  z.strictObject({ scheme: z.literal("float") }),
  z.strictObject({ scheme: z.literal("int8"), per: z.literal("token") }),
  z.strictObject({ scheme: z.literal("int16"), per: z.literal("token") }),
  z.strictObject({
    scheme: z.literal("centroids"),
    vector: z.int().min(1).max(8),
    centroids: z.int().min(2).max(256),
  }),
]);

/** One token's input as integer codes with the factor that made them. */
export interface QuantizedToken<Codes> {
  /** `[K]`: −127 … 127 for INT8, −32767 … 32767 for INT16. */
  readonly codes: Codes;
  /** The largest code over `max(|x|, 1e-5)`, float32: `x ≈ code / scale`. */
  readonly scale: number;
}

export type Int8Token = QuantizedToken<Int8Array>;

/**
 * INT8 by absmax, one scale a token: `round(x · 127 / max|x|)`, float32, half to even.
 * Source: BitNet b1.58 (arXiv 2402.17764 §2) and the `activation_quant` of its published code.
 */
export function quantizeToken(x: Float32Array): Int8Token {
  return quantizeInto(new Int8Array(x.length), 127, x);
}

/** INT16 by the same rule: `round(x · 32767 / max|x|)`. */
export function quantizeTokenToInt16(x: Float32Array): QuantizedToken<Int16Array> {
  return quantizeInto(new Int16Array(x.length), 32767, x);
}

function quantizeInto<Codes extends Int8Array | Int16Array>(
  codes: Codes,
  largest: number,
  x: Float32Array,
): QuantizedToken<Codes> {
  let most = Math.fround(1e-5);
  for (const value of x) most = Math.max(most, Math.abs(value));
  const scale = Math.fround(largest / most);
  for (let i = 0; i < x.length; i++) {
    const rounded = roundHalfToEven(Math.fround(x[i] * scale));
    codes[i] = Math.max(-largest - 1, Math.min(largest, rounded));
  }
  return { codes, scale };
}
