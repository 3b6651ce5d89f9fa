import type { IntOutline, IntScheme } from "./int.js";
import type { PlanesOutline, PlanesScheme } from "./planes.js";

/**
 * What is known of a quantized weight before it is computed: its representation and every parameter that a target's
 * layout depends on. The plan checks outlines; a scheme is an outline with its data.
 */
export type WeightOutline = IntOutline | PlanesOutline;

/** A quantized weight `[N, K]`, in one of the representations of DESIGN §2. */
export type WeightScheme = IntScheme | PlanesScheme;

/** How a linear's input is represented when the linear is computed. */
export type ActivationScheme =
  /** As the model computes it: float32. */
  | { readonly scheme: "float" }
  /** One INT8 absmax scale a token (BitNet b1.58, arXiv 2402.17764 §2). */
  | { readonly scheme: "int8"; readonly per: "token" };

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
}

/** @throws RangeError when the group does not divide the columns; a plan refuses that earlier, by name. */
export function scaleGrid(rows: number, columns: number, granularity: Granularity): ScaleGrid {
  const group = typeof granularity === "number" ? granularity : columns;
  if (columns % group !== 0) throw new RangeError(`a group of ${group} does not divide ${columns} columns`);
  return { rows, columns, group, scaleRows: granularity === "tensor" ? 1 : rows };
}

/** Scales in a grid: `scaleRows × columns / group`. */
export function scaleCount(grid: ScaleGrid): number {
  return grid.scaleRows * (grid.columns / grid.group);
}

/**
 * Bits of one stored scale. A scale shared by a tensor is kept in float32 because it costs nothing; all others are
 * float16, the convention of the published bits per weight.
 */
export function scaleBits(grid: ScaleGrid): 16 | 32 {
  return grid.scaleRows === 1 && grid.rows !== 1 ? 32 : 16;
}

/** The name under which reports show a granularity: `g128`, `row` or `tensor`. */
export function granularityName(grid: ScaleGrid): string {
  if (grid.scaleRows === 1) return "tensor";
  return grid.group === grid.columns ? "row" : `g${grid.group}`;
}
