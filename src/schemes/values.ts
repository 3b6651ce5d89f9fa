import { z } from "zod";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { packCodes, unpackCodes } from "./codes.js";
import {
  granularityName,
  gridFields,
  type ScaleGrid,
  scaleCount,
  scaleDtype,
  scalesFromBytes,
  scalesToBytes,
} from "./scale-grid.js";

/**
 * Codes of `bits` bits into a table of values. With `tables`, the linear's few tables are known beforehand, and each cell
 * of the grid of scales chooses one: `w = scale · tables[selector][code]`. Without, each cell has a table of its own, and
 * no scale: `w = table[code]`.
 */
export interface ValuesOutline extends ScaleGrid {
  readonly scheme: "values";
  /** Bits of a code, 1 to 8. */
  readonly bits: number;
  /** Shared by all weights: one to 16, each of 2 to 2^bits rising float32 values. */
  readonly tables?: ValueTables;
}

export type ValueTables = readonly (readonly number[])[];

export interface ValuesScheme extends ValuesOutline {
  /** `[N, K]`, one code a byte. */
  readonly codes: Uint8Array;
  /** `[scaleRows, K / group]`, values of `scaleDtype`; null with own tables. */
  readonly scales: Float32Array | null;
  /** `[scaleRows, K / group]`: which of the shared tables; null with own tables. */
  readonly selectors: Uint8Array | null;
  /** `[scaleRows, K / group, 2^bits]`, values of `scaleDtype`; null with shared ones. */
  readonly ownTables: Float32Array | null;
}

const mostTables = 16;

/** An outline as a file states it; the shape is checked against the grid by whoever knows the linear. */
export const valuesOutline = z.strictObject({
  scheme: z.literal("values"),
  ...gridFields,
  bits: z.int().min(1).max(8),
  tables: z.array(z.array(z.number()).min(2).max(256)).min(1).max(mostTables).optional(),
});

/** What is inconsistent in an outline; null when nothing is. */
export function valuesFault({ bits, tables = [] }: ValuesOutline): string | null {
  for (const [at, table] of tables.entries()) {
    if (table.length > 2 ** bits) return `table ${at} has ${table.length} values for codes of ${bits} bits`;
    if (table.some((value) => Math.fround(value) !== value)) return `table ${at} holds no float32 values`;
    if (table.some((value, i) => i > 0 && value <= table[i - 1])) return `table ${at} does not rise`;
  }
  return null;
}

/** A scheme without its data. */
export function valuesOutlineOf(weight: ValuesScheme): ValuesOutline {
  const { rows, columns, group, scaleRows, scaleDtype, bits, tables } = weight;
  const grid = { rows, columns, group, scaleRows, ...(scaleDtype && { scaleDtype }) };
  return { scheme: "values", bits, ...grid, ...(tables && { tables }) };
}

/** Its float numbers. */
export function valuesNumbers({ scales, ownTables }: ValuesScheme): readonly Float32Array[] {
  return [scales, ownTables].filter((numbers) => numbers !== null);
}

/** In a few words: `4-bit values of 4 tables g128`, `3-bit values of own tables row`. */
export function describeValues(outline: ValuesOutline): string {
  const { bits, tables } = outline;
  const source = tables ? (tables.length > 1 ? `${tables.length} tables` : "one table") : "own tables";
  const dtype = outline.scaleDtype ? `, float32 ${tables ? "scales" : "tables"}` : "";
  return `${bits}-bit values of ${source} ${granularityName(outline)}${dtype}`;
}

/** The weight that the codes stand for, `[N, K]`, each value rounded once to float32. */
export function dequantizeValues(weight: ValuesScheme): Matrix {
  const { rows, columns, group, scaleRows, codes } = weight;
  const out = matrix(rows, columns);
  const groupsPerRow = columns / group;
  for (let run = 0, at = 0; at < codes.length; run++) {
    const values = valuesOf(weight, scaleRows === 1 ? run % groupsPerRow : run);
    for (const end = at + group; at < end; at++) out.data[at] = values[codes[at]];
  }
  return out;
}

/** What the codes of one cell of the grid stand for, float32. */
function valuesOf({ bits, tables, scales, selectors, ownTables }: ValuesScheme, cell: number): Float32Array {
  if (ownTables) return ownTables.subarray(cell * 2 ** bits, (cell + 1) * 2 ** bits);
  if (!tables || !scales || !selectors) throw new RangeError("values without a table");
  return Float32Array.from(tables[selectors[cell]], (value) => value * scales[cell]);
}

/** Bits of a selector: none where there is nothing to select. */
function selectorBits({ tables }: ValuesOutline): number {
  return tables ? Math.ceil(Math.log2(tables.length)) : 0;
}

/** The tensors of a file: `codes`, then `scales` and, of several tables, `selectors`; or `tables`. */
export function valuesTensors(weight: ValuesScheme): Tensors {
  const { bits, scaleRows, columns, group, scales, selectors, ownTables } = weight;
  const codes = packCodes(weight.codes, bits);
  const dtype = scaleDtype(weight);
  const grid = [scaleRows, columns / group];
  const packed = selectors && selectorBits(weight) > 0 && packCodes(selectors, selectorBits(weight));
  return {
    codes: { dtype: "U8", shape: [codes.length], bytes: codes },
    ...(scales && { scales: { dtype, shape: grid, bytes: scalesToBytes(weight, scales) } }),
    ...(packed && { selectors: { dtype: "U8", shape: [packed.length], bytes: packed } }),
    ...(ownTables && {
      tables: { dtype, shape: [...grid, 2 ** bits], bytes: scalesToBytes(weight, ownTables) },
    }),
  };
}

/** @throws RangeError when a tensor does not fit the outline, or a code or selector is beyond its tables. */
export function valuesFromTensors(
  outline: ValuesOutline,
  bytesOf: (name: string) => Uint8Array,
): ValuesScheme {
  const { bits, tables } = outline;
  const count = scaleCount(outline);
  const codes = unpackCodes(bytesOf("codes"), bits, outline.rows * outline.columns);
  if (!tables) {
    const ownTables = scalesFromBytes(outline, bytesOf("tables"), count * 2 ** bits);
    return { ...outline, codes, scales: null, selectors: null, ownTables };
  }
  const scales = scalesFromBytes(outline, bytesOf("scales"), count);
  const selectors =
    tables.length === 1
      ? new Uint8Array(count)
      : unpackCodes(bytesOf("selectors"), selectorBits(outline), count);
  if (selectors.some((selector) => selector >= tables.length))
    throw new RangeError("a selector is beyond the tables");
  expectCodes(outline, codes, selectors, tables);
  return { ...outline, codes, scales, selectors, ownTables: null };
}

/** @throws RangeError when a code is beyond its cell's table, which may be shorter than the codes reach. */
function expectCodes(
  { columns, group, scaleRows }: ScaleGrid,
  codes: Uint8Array,
  selectors: Uint8Array,
  tables: ValueTables,
): void {
  const groupsPerRow = columns / group;
  for (let run = 0, at = 0; at < codes.length; run++) {
    const { length } = tables[selectors[scaleRows === 1 ? run % groupsPerRow : run]];
    for (const end = at + group; at < end; at++)
      if (codes[at] >= length) throw new RangeError("a code is beyond its table");
  }
}

/** Stored bytes of codes and scales and selectors, or own tables. */
export function valuesBytes(outline: ValuesOutline): number {
  const { rows, columns, bits, tables } = outline;
  const count = scaleCount(outline);
  const numbers = tables ? count : count * 2 ** bits;
  return (
    Math.ceil((rows * columns * bits) / 8) +
    numbers * (scaleDtype(outline) === "F32" ? 4 : 2) +
    Math.ceil((count * selectorBits(outline)) / 8)
  );
}
