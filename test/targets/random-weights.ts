import fc from "fast-check";
import type { IntScheme } from "../../src/schemes/int.js";
import { type PlanesScheme, signsOutline } from "../../src/schemes/planes.js";
import { type Granularity, scaleCount, scaleDtype, scaleGrid } from "../../src/schemes/scale-grid.js";
import type { ValuesScheme } from "../../src/schemes/values.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";

/** A repeatable stream of whole numbers below `bound`. */
export function integers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

export function randomInt(
  shape: { rows: number; columns: number; granularity: Granularity; bits: number; symmetric: boolean },
  seed: number,
): IntScheme {
  const next = integers(seed);
  const { bits, symmetric } = shape;
  const grid = scaleGrid(shape.rows, shape.columns, shape.granularity);
  const scale = scaleDtype(grid) === "F16" ? roundToFloat16 : Math.fround;
  return {
    scheme: "int",
    bits,
    symmetric,
    ...grid,
    codes: Uint8Array.from({ length: shape.rows * shape.columns }, () => next(2 ** bits)),
    scales: Float32Array.from({ length: scaleCount(grid) }, () => scale(0.01 + next(1000) / 7000)),
    zeroPoints: symmetric ? null : Uint8Array.from({ length: scaleCount(grid) }, () => next(2 ** bits)),
  };
}

/** The same with float16 zero points as `hqq` makes them: 0, or 1/512 and more away from it. */
export function withFloatZeroPoints(weight: IntScheme, seed: number): IntScheme {
  const next = integers(seed);
  const draw = () =>
    next(9) === 0 ? 0 : (next(2) * 2 - 1) * roundToFloat16(2 ** (next(18) - 9) * (1 + next(1024) / 1024));
  return { ...weight, zeroPointDtype: "F16", zeroPoints: weight.scales.map(draw) };
}

export function randomPlanes(
  shape: { rows: number; columns: number; granularity: Granularity; planes: number },
  seed: number,
): PlanesScheme {
  const next = integers(seed);
  const { planes } = shape;
  const grid = scaleGrid(shape.rows, shape.columns, shape.granularity);
  const scale = scaleDtype(grid) === "F16" ? roundToFloat16 : Math.fround;
  return {
    scheme: "planes",
    alphabet: "trits",
    planes,
    ...grid,
    codes: Int8Array.from({ length: planes * shape.rows * shape.columns }, () => next(3) - 1),
    scales: Float32Array.from({ length: planes * scaleCount(grid) }, () => scale(0.01 + next(1000) / 7000)),
  };
}

export function randomSigns(
  shape: { rows: number; columns: number; granularity: Granularity; planes: number; offset: boolean },
  seed: number,
): PlanesScheme {
  const next = integers(seed);
  const grid = scaleGrid(shape.rows, shape.columns, shape.granularity);
  const round = scaleDtype(grid) === "F16" ? roundToFloat16 : Math.fround;
  const count = scaleCount(grid);
  return {
    ...signsOutline(shape.planes, shape.offset, grid),
    codes: Int8Array.from({ length: shape.planes * shape.rows * shape.columns }, () => 2 * next(2) - 1),
    scales: Float32Array.from({ length: shape.planes * count }, () => round(0.01 + next(1000) / 7000)),
    ...(shape.offset && {
      offsets: Float32Array.from({ length: count }, () => round((next(1000) - 500) / 3000)),
    }),
  };
}

/** @param tables how many shared ones; 0: each cell has its own. */
export function randomTabled(
  shape: { rows: number; columns: number; granularity: Granularity; bits: number; tables: number },
  seed: number,
): ValuesScheme {
  const next = integers(seed);
  const { rows, columns, granularity, bits } = shape;
  const grid = scaleGrid(rows, columns, granularity);
  const round = scaleDtype(grid) === "F16" ? roundToFloat16 : Math.fround;
  const count = scaleCount(grid);
  const tables = Array.from({ length: shape.tables }, (_, at) =>
    // The first table may be shorter than the codes reach.
    Array.from({ length: at === 0 ? 2 + next(2 ** bits - 1) : 2 ** bits }, (_, i) => i * (i + at) - 3),
  );
  const selectors = Uint8Array.from({ length: count }, () => next(Math.max(1, tables.length)));
  const longest = (i: number) => {
    const [row, column] = [Math.floor(i / columns), Math.floor((i % columns) / grid.group)];
    const cell = (grid.scaleRows === 1 ? 0 : row) * (columns / grid.group) + column;
    return tables[selectors[cell]]?.length ?? 2 ** bits;
  };
  const numbers = (length: number) => Float32Array.from({ length }, () => round((next(1000) - 300) / 7000));
  const isShared = tables.length > 0;
  return {
    ...{ scheme: "values", bits, ...grid, ...(isShared && { tables }) },
    codes: Uint8Array.from({ length: rows * columns }, (_, i) => next(longest(i))),
    scales: isShared ? numbers(count) : null,
    selectors: isShared ? selectors : null,
    ownTables: isShared ? null : numbers(count * 2 ** bits),
  };
}

export function randomInput(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => (next(2001) - 1000) / 300),
  );
}

export const seeds = fc.integer({ min: 0, max: 2 ** 31 });
