import type { Kernels } from "../kernels/kernels.js";
import { type Granularity, runLength, scaleGrid } from "../schemes/scale-grid.js";
import type { ValuesOutline, ValuesScheme, ValueTables } from "../schemes/values.js";
import type { Matrix } from "../tensor/matrix.js";

/** Which values a weight may take: a scale for each cell of the grid times one of some tables. */
export interface SharedValues {
  readonly bits: number;
  readonly tables: ValueTables;
  readonly group: Granularity;
  /** Whether scales are powers of two. */
  readonly powersOfTwo?: boolean;
}

export function sharedOutline(rows: number, columns: number, values: SharedValues): ValuesOutline {
  const { bits, tables, group } = values;
  return { scheme: "values", bits, tables, ...scaleGrid(rows, columns, group) };
}

/** Each group by the table that suits it best. */
export async function fitSharedTables(
  weight: Matrix,
  values: SharedValues,
  kernels: Kernels,
): Promise<ValuesScheme> {
  const outline = sharedOutline(weight.rows, weight.columns, values);
  const { tables, powersOfTwo = false } = values;
  const task = { group: runLength(outline), tables, powersOfTwo };
  return { ...outline, ...(await kernels.sharedTables(weight.data, task)), ownTables: null };
}

export function ownOutline(
  rows: number,
  columns: number,
  bits: number,
  group: number | "row",
): ValuesOutline {
  return { scheme: "values", bits, ...scaleGrid(rows, columns, group) };
}

/** A table for each group or row, of the least `Σ importance · (w − ŵ)²`. @param importance `[K]`. */
export async function fitOwnTables(
  weight: Matrix,
  { bits, group }: { readonly bits: number; readonly group: number | "row" },
  importance: Float64Array,
  kernels: Kernels,
): Promise<ValuesScheme> {
  const outline = ownOutline(weight.rows, weight.columns, bits, group);
  const task = { group: outline.group, values: 2 ** bits, importance };
  const { codes, tables } = await kernels.ownTables(weight.data, task);
  return { ...outline, codes, scales: null, selectors: null, ownTables: tables };
}
