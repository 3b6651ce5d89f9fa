import type { Kernels } from "../kernels/kernels.js";
import type { TernaryRule } from "../kernels/ternary.js";
import { type PlanesScheme, tritsOutline } from "../schemes/planes.js";
import { type Granularity, runLength, scaleGrid } from "../schemes/scale-grid.js";
import type { Matrix } from "../tensor/matrix.js";
import { asStored } from "./granularity.js";

/** One ternary plane by a rule that looks at one run of weights at a time. */
export async function ternaryPlane(
  weight: Matrix,
  granularity: Granularity,
  rule: TernaryRule,
  kernels: Kernels,
): Promise<PlanesScheme> {
  const grid = scaleGrid(weight.rows, weight.columns, granularity);
  const { codes, scales } = await kernels.ternary(weight.data, runLength(grid), rule);
  return { ...tritsOutline(1, grid), codes, scales: asStored(grid, scales) };
}
