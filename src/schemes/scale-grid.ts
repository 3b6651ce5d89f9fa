import { z } from "zod";
import { numberToFloat16, widen } from "../tensor/float.js";
import { bytesOf } from "../tensor/tensor.js";

/** How far one scale reaches: a group of consecutive inputs in a row, a whole row, or the whole tensor. */
export type Granularity = number | "row" | "tensor";

/**
 * The grid of scales of a weight `[N, K]`: `[scaleRows, K / group]`, where `scaleRows` is N, or 1 for a scale that the
 * whole tensor shares (then `group` is K).
 */
export interface ScaleGrid {
  readonly rows: number;
  readonly columns: number;
  readonly group: number;
  readonly scaleRows: number;
  /** Present where scales that would be float16 are no float16 values, as in weights that were quantized elsewhere. */
  readonly scaleDtype?: "F32";
}

/** A grid as a file states it. */
export const gridFields = {
  rows: z.int().positive(),
  columns: z.int().positive(),
  group: z.int().positive(),
  scaleRows: z.int().positive(),
  scaleDtype: z.literal("F32").optional(),
};

/** @throws RangeError when the group does not divide the columns; a plan refuses that earlier, by name. */
export function scaleGrid(rows: number, columns: number, granularity: Granularity): ScaleGrid {
  const group = typeof granularity === "number" ? granularity : columns;
  if (columns % group !== 0)
    throw new RangeError(`a group of ${group} does not divide its ${columns} inputs`);
  return { rows, columns, group, scaleRows: granularity === "tensor" ? 1 : rows };
}

/** Scales in a grid. */
export function scaleCount(grid: ScaleGrid): number {
  return grid.scaleRows * (grid.columns / grid.group);
}

/** Consecutive weights that share a scale: what a quantizer fits at once. */
export function runLength(grid: ScaleGrid): number {
  return (grid.rows * grid.columns) / scaleCount(grid);
}

/**
 * The dtype of a stored scale. One that a whole tensor shares costs nothing and is kept as it is, float32; all others
 * are float16, the convention behind published bits per weight, unless the grid says otherwise.
 */
export function scaleDtype(grid: ScaleGrid): "F16" | "F32" {
  return grid.scaleDtype ?? (grid.scaleRows === 1 && grid.rows > 1 ? "F32" : "F16");
}

/** The bytes of scales that already are values of their dtype. */
export function scalesToBytes(grid: ScaleGrid, scales: Float32Array): Uint8Array {
  if (scaleDtype(grid) === "F32") return bytesOf(scales);
  const halves = new Uint16Array(scales.length);
  for (let i = 0; i < scales.length; i++) halves[i] = numberToFloat16(scales[i]);
  return new Uint8Array(halves.buffer);
}

/** @throws RangeError when the bytes are not those of `count` scales. */
export function scalesFromBytes(grid: ScaleGrid, bytes: Uint8Array, count: number): Float32Array {
  const scales = new Float32Array(count);
  widen(scaleDtype(grid), bytes, scales);
  return scales;
}

/** The name under which tables show a granularity: `g128`, `row` or `tensor`. */
export function granularityName(grid: ScaleGrid): string {
  if (grid.scaleRows === 1) return "tensor";
  return grid.group === grid.columns ? "row" : `g${grid.group}`;
}
