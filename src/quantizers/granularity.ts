import { z } from "zod";
import { type Granularity, type ScaleGrid, scaleDtype } from "../schemes/scale-grid.js";
import { roundToFloat16 } from "../tensor/float.js";

/** How a recipe writes `group`: a number of inputs, `row` or `tensor`. */
export const granularity: z.ZodType<Granularity> = z
  .union([z.int().positive(), z.literal("row"), z.literal("tensor")])
  .describe("weights that share a scale: a number of consecutive inputs, `row` or `tensor`");

/** The same without `tensor`, where levels are fitted group after group of a row. */
export const groupOrRow = z
  .union([z.int().positive(), z.literal("row")])
  .describe("weights that share a scale: a number of consecutive inputs, or `row`");

/** Scales rounded to the dtype that they are stored in. */
export function asStored(grid: ScaleGrid, scales: Float32Array): Float32Array {
  return scaleDtype(grid) === "F32" ? scales : scales.map(roundToFloat16);
}
