import type { LinearShape } from "./calibrated-quantizer.js";

/** Weights of some linears together. */
export function weightsOf(linears: readonly LinearShape[]): number {
  return linears.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}

/** Weights of the largest of some linears. */
export function largestOf(linears: readonly LinearShape[]): number {
  return Math.max(...linears.map(({ rows, columns }) => rows * columns));
}
