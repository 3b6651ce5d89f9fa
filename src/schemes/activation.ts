import { z } from "zod";
import { roundHalfToEven } from "../kernels/round-to-nearest.js";
import type { ActivationScheme, DynamicActivation, IntActivation } from "./scheme.js";

/** The largest code of each width: codes mirror each other around 0. */
export const largestCode = { int4: 7, int6: 31, int8: 127, int16: 32767 } as const;

/** The widths of integer activations. */
export const intWidths = ["int4", "int6", "int8", "int16"] as const;

const width = z.enum(intWidths);

/** A scheme that needs nothing beside the token, as files state it. */
export const dynamicActivation: z.ZodType<DynamicActivation> = z.union([
  z.strictObject({ scheme: z.literal("float") }),
  z.strictObject({ scheme: width, per: z.union([z.literal("token"), z.int().positive()]) }),
]);

/** An activation scheme as files state it. */
export const activationScheme: z.ZodType<ActivationScheme> = z.union([
  dynamicActivation,
  z.strictObject({ scheme: z.literal("parts") }),
  z.strictObject({ scheme: width, per: z.literal("tensor"), largest: z.number().nonnegative() }),
  z.strictObject({
    scheme: z.literal("centroids"),
    vector: z.int().min(1).max(8),
    centroids: z.int().min(2).max(256),
  }),
]);

/** In a few words, for tables and messages: `int8 per token`, `int6 per 128 inputs`, `int8 per tensor`. */
export function describeActivation(activation: ActivationScheme): string {
  if (activation.scheme === "float" || activation.scheme === "parts") return activation.scheme;
  if (activation.scheme === "centroids")
    return `centroids of ${activation.vector}, ${activation.centroids} each`;
  const { scheme, per } = activation;
  return `${scheme} per ${typeof per === "number" ? `${per} inputs` : per}`;
}

/** Whether inputs are integers of one width with a scale a token: what hardware with integer inputs takes. */
export function isPerToken<Width extends IntActivation["scheme"]>(
  activation: ActivationScheme,
  ...widths: readonly Width[]
): activation is { readonly scheme: Width; readonly per: "token" } {
  return (
    (widths as readonly string[]).includes(activation.scheme) &&
    "per" in activation &&
    activation.per === "token"
  );
}

/** Whether inputs have one scale for everything, which calibration text decides. */
export function isStatic(activation: ActivationScheme): boolean {
  return "per" in activation && activation.per === "tensor";
}

/** Why a linear of K inputs cannot have them represented so; null when it can. */
export function activationFault(columns: number, activation: ActivationScheme): string | null {
  if (!("per" in activation) || typeof activation.per !== "number") return null;
  if (columns % activation.per === 0) return null;
  return `groups of ${activation.per} activations do not divide its ${columns} inputs`;
}

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
  return quantizeInto(new Int8Array(x.length), largestCode.int8, x);
}

/** INT16 by the same rule: `round(x · 32767 / max|x|)`. */
export function quantizeTokenToInt16(x: Float32Array): QuantizedToken<Int16Array> {
  return quantizeInto(new Int16Array(x.length), largestCode.int16, x);
}

function quantizeInto<Codes extends Int8Array | Int16Array>(
  codes: Codes,
  largest: number,
  x: Float32Array,
): QuantizedToken<Codes> {
  const scale = codeScale(largestMagnitude(x), largest);
  for (let i = 0; i < x.length; i++) codes[i] = codeOf(x[i], scale, largest);
  return { codes, scale };
}

/** `max|x|`; NaN when one is. */
export function largestMagnitude(x: Float32Array): number {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  return most;
}

/** Codes a unit of the input, float32: the largest code for the largest magnitude, which counts as 1e-5 at least. */
export function codeScale(most: number, largest: number): number {
  return Math.fround(largest / Math.max(most, Math.fround(1e-5)));
}

/** The code of one input, half to even; beyond the largest magnitude that the scale was made for, the largest code. */
export function codeOf(x: number, scale: number, largest: number): number {
  return Math.max(-largest, Math.min(largest, roundHalfToEven(Math.fround(x * scale))));
}
