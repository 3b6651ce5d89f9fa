import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CompensatedCodesTask, compensatedCodes } from "../../src/kernels/compensated-codes.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";
import { covariance, inverted } from "./second-moments.js";

const [rows, columns] = [6, 10];
const hessian = covariance(columns, 40, 1);
const { factor } = await reference.inverseFactor(hessian, columns, 0);
const levels = Float32Array.of(-1, -0.25, 0.5, 1.25);
const sameForAll = (count: number) =>
  Float32Array.from({ length: 4 * count }, (_, at) => levels[Math.floor(at / count)]);
const whole = {
  ...{ columns, first: 0, last: columns, factor, levels: 4, tables: sameForAll(rows) },
  tableOf: new Int32Array(columns),
};

/*
 * Optimal brain surgeon (GPTQ's derivation): F the columns that are not rounded yet, C = (H_FF)⁻¹; an error e of column j
 * moves the later ones by −e · C_jF / C_jj. A C for every column, by elimination; no Cholesky factor.
 */
test("each column is rounded to the nearest level once the errors before it are made up for", () => {
  const rest = weights(rows * columns, 2);
  const expected = rest.slice();
  const codes = compensatedCodes(rest, whole);
  for (let j = 0; j < columns; j++) {
    const free = columns - j;
    const remaining = inverted(squareOf(hessian, j), free);
    for (let row = 0; row < rows; row++) {
      const weight = expected[j * rows + row];
      expect(rest[j * rows + row]).toBeCloseTo(weight, 8); // as it was at its turn
      const distances = [...levels].map((level) => Math.abs(weight - level));
      expect(codes[j * rows + row]).toBe(distances.indexOf(Math.min(...distances)));
      const error = weight - levels[codes[j * rows + row]];
      for (let k = 1; k < free; k++) expected[(j + k) * rows + row] -= (error * remaining[k]) / remaining[0];
    }
  }
});

test("column after column, group after group, is the same as all at once", () => {
  const [once, parts] = [weights(rows * columns, 3), weights(rows * columns, 3)];
  const codes = compensatedCodes(once, whole);
  const found = [
    [0, 4],
    [4, 5],
    [5, 10],
  ].flatMap(([first, last]) => [
    ...compensatedCodes(parts, { ...whole, first, last, tableOf: new Int32Array(last - first) }),
  ]);
  expect(found).toEqual([...codes]);
  expect(parts).toEqual(once);
});

test("each column has its table, each row its levels", () => {
  const tables = Float32Array.of(...[-1, 10, 1, 20], ...[-3, 30, 3, 40]); // [2 tables, 2 levels, 2 rows]
  const rest = Float64Array.of(...[0.9, 12], ...[-0.2, 39]);
  const task = { columns: 2, first: 0, last: 2, factor: Float64Array.of(1, 0, 0, 1), levels: 2, tables };
  expect([...compensatedCodes(rest, { ...task, tableOf: Int32Array.of(0, 1) })]).toEqual([1, 0, 0, 1]);
  expect([...compensatedCodes(rest, { ...task, tableOf: Int32Array.of(1, 0) })]).toEqual([1, 0, 0, 1]);
});

test("the middle of two levels belongs to the upper one, a weight on equal levels to the last", async () => {
  for (const kernels of [reference, ...nativeKernels.map(({ native }) => native)]) {
    const roundAll = (values: number[], of: number[]) =>
      kernels.compensatedCodes(Float64Array.from(values), {
        ...{ columns: 1, first: 0, last: 1, factor: Float64Array.of(1), levels: of.length },
        tables: Float32Array.from(of.flatMap((level) => values.map(() => level))),
        tableOf: Int32Array.of(0),
      });
    const values = [-9, -0.5, -0.50001, 0.5, 0.49999, 9, Number.POSITIVE_INFINITY];
    expect([...(await roundAll(values, [-1, 0, 1]))]).toEqual([0, 1, 0, 2, 1, 2, 2]);
    expect([...(await roundAll(values, [0, 0, 0]))]).toEqual([0, 0, 0, 2, 2, 2, 2]);
    expect([...(await roundAll(values, [3]))]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  }
});

test("what does not fit is refused", async () => {
  for (const kernels of [reference, ...nativeKernels.map(({ native }) => native)]) {
    const attempt = (changed: Partial<CompensatedCodesTask>, length = rows * columns) =>
      kernels.compensatedCodes(weights(length, 4), { ...whole, ...changed });
    await expect(attempt({}, 61)).rejects.toThrow("61 weights");
    await expect(attempt({ factor: factor.slice(1) })).rejects.toThrow("a factor of 99 values");
    await expect(attempt({ last: 11 })).rejects.toThrow("from 0 to 11 of 10");
    await expect(attempt({ first: 2 })).rejects.toThrow("tables for 10 of the columns from 2");
    await expect(attempt({ levels: 257 })).rejects.toThrow("257 levels");
    await expect(attempt({ tables: new Float32Array(23) })).rejects.toThrow("23 levels are no tables of 4");
    await expect(attempt({ tableOf: new Int32Array(columns).fill(1) })).rejects.toThrow(
      "no tables of 4 for 6",
    );
    await expect(attempt({ tables: sameForAll(rows).reverse() })).rejects.toThrow("do not rise");
    await expect(attempt({ tables: new Float32Array(24).fill(Number.NaN) })).rejects.toThrow("do not rise");
    const endless = new Float32Array(24).fill(Number.POSITIVE_INFINITY);
    await expect(attempt({ tables: endless })).rejects.toThrow("not finite");
  }
});

describe.each(nativeKernels)("native, $name, gives the reference's bits", ({ native }) => {
  const any = fc.record({
    seed: seeds,
    columns: fc.integer({ min: 1, max: 40 }),
    rows: fc.integer({ min: 1, max: 300 }),
    levels: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 17, max: 256 })),
    tables: fc.integer({ min: 1, max: 3 }),
  });

  test("of codes and weights, for any shape", async () => {
    await fc.assert(
      fc.asyncProperty(any, async (shape) => expectSame(await randomTask(shape))),
      { numRuns: 40, seed: 1 },
    );
  });

  test("where columns are several batches", async () => {
    await expectSame(await randomTask({ seed: 5, columns: 300, rows: 70, levels: 9, tables: 2 }));
  });

  async function expectSame({ rest, task }: { rest: Float64Array; task: CompensatedCodesTask }) {
    const copy = rest.slice();
    expect(await native.compensatedCodes(rest, task)).toEqual(compensatedCodes(copy, task));
    expect(rest).toEqual(copy);
  }
});

/** Levels and weights on a coarse lattice, so that middles and equal levels occur. */
async function randomTask(shape: {
  readonly seed: number;
  readonly columns: number;
  readonly rows: number;
  readonly levels: number;
  readonly tables: number;
}) {
  const { seed, columns, rows, levels, tables } = shape;
  const next = integers(seed + 5);
  const { factor } = await reference.inverseFactor(covariance(columns, columns + 9, seed), columns, 0.01);
  const first = next(columns);
  const last = first + 1 + next(columns - first);
  const values = new Float32Array(tables * levels * rows);
  for (let table = 0; table < tables; table++) {
    for (let row = 0; row < rows; row++) {
      const own = Array.from({ length: levels }, () => (next(64) - 32) / 16).sort((a, b) => a - b);
      for (const [level, value] of own.entries()) values[(table * levels + level) * rows + row] = value;
    }
  }
  const tableOf = Int32Array.from({ length: last - first }, () => next(tables));
  const rest = Float64Array.from({ length: columns * rows }, () => (next(128) - 64) / 32);
  return { rest, task: { columns, first, last, factor, levels, tables: values, tableOf } };
}

function weights(length: number, seed: number): Float64Array {
  const next = integers(seed + 11);
  return Float64Array.from({ length }, () => (next(1000) + next(1000)) / 700 - 1.4);
}

/** The square of rows and columns from `first` on. */
function squareOf(matrix: Float64Array, first: number): Float64Array {
  const free = columns - first;
  return Float64Array.from({ length: free * free }, (_, at) => {
    const [i, j] = [Math.floor(at / free), at % free];
    return matrix[(first + i) * columns + first + j];
  });
}
