import fc from "fast-check";
import type { IntScheme } from "../../src/schemes/int.js";
import { type PlanesScheme, signsOutline } from "../../src/schemes/planes.js";
import { type Granularity, scaleCount, scaleDtype, scaleGrid } from "../../src/schemes/scale-grid.js";
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

export function randomInput(rows: number, columns: number, seed: number): Matrix {
  const next = integers(seed);
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => (next(2001) - 1000) / 300),
  );
}

export const seeds = fc.integer({ min: 0, max: 2 ** 31 });
