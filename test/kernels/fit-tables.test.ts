import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FitTablesTask, Grid, TableLookups } from "../../src/kernels/fit-tables.js";
import { integers, seeds } from "../targets/random-weights.js";
import { nativeKernels, reference } from "./every-path.js";

interface Sizes {
  readonly positions: number;
  readonly rows: number;
  readonly tokens: number;
  readonly blocks: number;
  readonly inputs: number;
  readonly centroids: number;
}

interface Problem {
  readonly tables: Float32Array;
  /** `[N, T]`. */
  readonly wanted: Float32Array;
  readonly task: FitTablesTask;
}

const small = { positions: 11, rows: 10, tokens: 14, blocks: 2, inputs: 4, centroids: 3 };

describe("free entries", () => {
  test.each([0, 5])("are those of least squares, position after position; inertia %i", async (inertia) => {
    const problem = random(small, 1, { inertia, sweeps: 2 });
    const [tables] = await fitted(problem);
    expect(distance(tables, leastSquares(problem))).toBeLessThan(1e-4);
  });

  test("never raise the error without inertia", async () => {
    let { tables, wanted, task } = random({ ...small, positions: 20 }, 2);
    const errors = [squares(missing({ tables, wanted, task }))];
    for (let sweep = 0; sweep < 6; sweep++) {
      [tables] = await fitted({ tables, wanted, task });
      errors.push(squares(missing({ tables, wanted, task })));
    }
    for (let i = 1; i < errors.length; i++) expect(errors[i]).toBeLessThanOrEqual(errors[i - 1] * 1.0001);
    expect(errors[6]).toBeLessThan(errors[0] / 2);
  });

  test("of a position like the one before have nothing left to reach", async () => {
    const task = {
      ...{ inputs: 2, centroids: 2, blocks: 1, sweeps: 1, inertia: 0, grid: null },
      inputIds: Uint8Array.of(0, 1, 1, 0, 1, 1),
      ids: Uint8Array.of(1, 0, 1, 0),
      blockOfRow: Int32Array.of(0, 0),
    };
    const tables = new Float32Array(8);
    await reference.fitTables(tables, Float32Array.of(1, 2, 4, 8, 16, 32), task);
    // The second output has id 0, the first id 1; the first token has id 0, the others id 1.
    expect(tables).toEqual(Float32Array.of(8, 1, 24, 3, 0, 0, 0, 0));
  });

  test("that nothing meets stay as they were", async () => {
    const problem = random({ ...small, tokens: 1 }, 3);
    const [tables] = await fitted(problem);
    const { inputs, centroids, inputIds } = problem.task;
    for (const [at, entry] of tables.entries()) {
      const position = Math.floor(at / (small.blocks * inputs * centroids));
      if (Math.floor(at / centroids) % inputs !== inputIds[position]) expect(entry).toBe(problem.tables[at]);
    }
  });
});

describe("entries on a grid", () => {
  const problem = random(small, 4, { grid: gridOf(small, 15) });

  test("are levels of their blocks", async () => {
    const [tables] = await fitted(problem);
    const { inputs, centroids, blocks, grid } = problem.task;
    const { minimums, steps, levels } = grid as Grid;
    for (const [at, entry] of tables.entries()) {
      const block = Math.floor(at / (inputs * centroids)) % blocks;
      const all = Array.from({ length: levels + 1 }, (_, k) =>
        Math.fround(minimums[block] + steps[block] * k),
      );
      expect(all).toContain(entry);
    }
  });

  test("are the nearest, half to even, and within the range", async () => {
    const entries = [0.5, 1.5, 2.25, -7, 99];
    const task = {
      ...{ inputs: 1, centroids: 5, blocks: 1, sweeps: 1, inertia: 1 },
      grid: { minimums: Float32Array.of(0), steps: Float32Array.of(1), levels: 3 },
      inputIds: Uint8Array.of(0),
      ids: Uint8Array.of(0),
      blockOfRow: Int32Array.of(0),
    };
    const tables = Float32Array.from(entries);
    await reference.fitTables(tables, new Float32Array(1), task);
    expect(tables).toEqual(Float32Array.of(0, 2, 2, 0, 3));
  });

  test("make up for the rounding of those before", async () => {
    // Two positions of one cell each, levels of 1: 0.4 + 0.4 is nearer to 1 than to 0.
    const task = {
      ...{ inputs: 1, centroids: 1, blocks: 1, sweeps: 1, inertia: 0 },
      grid: { minimums: Float32Array.of(0), steps: Float32Array.of(1), levels: 3 },
      inputIds: Uint8Array.of(0, 0),
      ids: Uint8Array.of(0, 0),
      blockOfRow: Int32Array.of(0),
    };
    const tables = Float32Array.of(0.4, 0.4);
    await reference.fitTables(tables, Float32Array.of(0), task);
    expect(tables).toEqual(Float32Array.of(0, 1));
  });
});

test.each([null, gridOf(small, 7)])(
  "what is missing in the end is what was wanted less the entries: grid %o",
  async (grid) => {
    const problem = random(small, 5, { grid, sweeps: 2, inertia: 2 });
    const [tables, residual] = await fitted(problem);
    expect(distance(residual, missing({ ...problem, tables }))).toBeLessThan(1e-4);
  },
);

test.each([reference, ...nativeKernels.map(({ native }) => native)])(
  "arrays that do not fit one another are refused: $path",
  async (kernels) => {
    const { tables, wanted, task } = random(small, 6);
    for (const run of [kernels.fitTables, kernels.subtractTables]) {
      await expect(run(tables.subarray(1), wanted, task)).rejects.toThrow("11 positions of 2 blocks");
      await expect(run(tables, wanted.subarray(1), task)).rejects.toThrow("10 outputs of 14 tokens");
      const ids = task.ids.subarray(1);
      await expect(run(tables, wanted, { ...task, ids })).rejects.toThrow("109 ids of 10 outputs");
    }
  },
);

describe.each(nativeKernels)("native, $name", ({ native }) => {
  test("gives the reference's bits, for any shape", async () => {
    const upTo = (max: number) => fc.integer({ min: 1, max });
    const shape = fc.record({
      positions: upTo(20),
      rows: upTo(60),
      tokens: fc.oneof(fc.constant(1), upTo(40), fc.integer({ min: 250, max: 530 })),
      blocks: upTo(4),
      inputs: fc.oneof(fc.constant(64), upTo(70)),
      centroids: fc.oneof(fc.constant(16), upTo(40)),
    });
    const options = fc.record({
      sweeps: fc.integer({ min: 0, max: 2 }),
      inertia: fc.constantFrom(0, 1, 64),
      levels: fc.constantFrom(0, 1, 15, 255), // 0: no grid
    });
    await fc.assert(
      fc.asyncProperty(shape, options, seeds, async (drawn, { levels, ...rest }, seed) => {
        const sizes = { ...drawn, blocks: Math.min(drawn.blocks, drawn.rows) };
        const grid = levels > 0 ? gridOf(sizes, levels) : null;
        const problem = random(sizes, seed, { ...rest, grid });
        expect(await fitted(problem, native)).toEqual(await fitted(problem, reference));
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  test("gives the reference's bits of the largest codebooks", async () => {
    const problem = random({ ...small, positions: 3, inputs: 256, centroids: 256, rows: 70 }, 7);
    expect(await fitted(problem, native)).toEqual(await fitted(problem, reference));
  });

  test("refuses ids and blocks beyond what there is", async () => {
    const { tables, wanted, task } = random(small, 8);
    const beyond: Partial<TableLookups>[] = [
      { inputIds: task.inputIds.with(3, 4) },
      { ids: task.ids.with(3, 3) },
      { blockOfRow: task.blockOfRow.with(3, 2) },
      { blockOfRow: task.blockOfRow.with(3, -1) },
    ];
    for (const change of beyond) {
      await expect(native.fitTables(tables, wanted, { ...task, ...change })).rejects.toThrow("out of range");
      await expect(native.subtractTables(tables, wanted, { ...task, ...change })).rejects.toThrow(
        "out of range",
      );
    }
  });
});

/** Tables and residual after a fit. */
async function fitted(
  { tables, wanted, task }: Problem,
  kernels = reference,
): Promise<[Float32Array, Float32Array]> {
  const found = tables.slice();
  const residual = wanted.slice();
  await kernels.subtractTables(found, residual, task);
  await kernels.fitTables(found, residual, task);
  return [found, residual];
}

/**
 * A plain method: for every position the change of its cells that minimizes `|missing − A change|² + inertia · outputs ·
 * |change|²`, A the cells' indicators of every output and token, by the normal equations in float64.
 */
function leastSquares({ tables, wanted, task }: Problem): Float32Array {
  const { inputs, centroids, blocks, blockOfRow, ids, inertia } = task;
  const found = tables.slice();
  const rows = blockOfRow.length;
  const cells = blocks * inputs * centroids;
  for (let sweep = 0; sweep < task.sweeps; sweep++) {
    for (let position = 0; position < ids.length / rows; position++) {
      const r = missing({ tables: found, wanted, task });
      const tokens = r.length / rows;
      const indicators = Array.from({ length: cells }, (_, cell) =>
        Array.from(r, (_, at) =>
          cellOf(task, position, Math.floor(at / tokens), at % tokens) === cell ? 1 : 0,
        ),
      );
      const outputs = Array.from({ length: cells }, (_, cell) => {
        const block = Math.floor(cell / (inputs * centroids));
        const like = (row: number) =>
          blockOfRow[row] === block && ids[position * rows + row] === cell % centroids;
        return Array.from({ length: rows }, (_, row) => row).filter(like).length;
      });
      const normal = indicators.map((a, i) =>
        indicators.map((b, j) => dot(a, b) + (i === j ? inertia * outputs[i] : 0)),
      );
      const change = solve(
        normal,
        indicators.map((a) => dot(a, r)),
      );
      for (let cell = 0; cell < cells; cell++) found[position * cells + cell] += change[cell];
    }
  }
  return found;
}

/** Gauss without pivoting, for symmetric matrices; unknowns without an equation are 0. */
function solve(matrix: number[][], right: number[]): number[] {
  const size = right.length;
  for (let k = 0; k < size; k++) {
    if (matrix[k][k] === 0) continue;
    for (let i = 0; i < size; i++) {
      if (i === k) continue;
      const factor = matrix[i][k] / matrix[k][k];
      if (factor === 0) continue;
      for (let j = 0; j < size; j++) matrix[i][j] -= factor * matrix[k][j];
      right[i] -= factor * right[k];
    }
  }
  return right.map((value, i) => (matrix[i][i] === 0 ? 0 : value / matrix[i][i]));
}

/** What the tables leave of the wanted outputs, in float64. */
function missing({ tables, wanted, task }: Problem): number[] {
  const { blockOfRow, ids, inputs, centroids, blocks } = task;
  const rows = blockOfRow.length;
  const tokens = wanted.length / rows;
  return Array.from(wanted, (value, at) => {
    let sum = value;
    for (let position = 0; position < ids.length / rows; position++) {
      const cell = cellOf(task, position, Math.floor(at / tokens), at % tokens);
      sum -= tables[position * blocks * inputs * centroids + cell];
    }
    return sum;
  });
}

function cellOf(task: TableLookups, position: number, row: number, token: number): number {
  const { inputs, centroids, inputIds, ids, blockOfRow } = task;
  const rows = blockOfRow.length;
  const tokens = (inputIds.length * rows) / ids.length;
  const input = blockOfRow[row] * inputs + inputIds[position * tokens + token];
  return input * centroids + ids[position * rows + row];
}

/** Blocks are unequal and their outputs mixed. */
function random(sizes: Sizes, seed: number, options: Partial<FitTablesTask> = {}): Problem {
  const { positions, rows, tokens, blocks, inputs, centroids } = sizes;
  const next = integers(seed);
  const values = (length: number) => Float32Array.from({ length }, () => (next(2001) - 1000) / 700);
  return {
    tables: values(positions * blocks * inputs * centroids),
    wanted: values(rows * tokens),
    task: {
      ...{ inputs, centroids, blocks, sweeps: 1, inertia: 0, grid: null },
      inputIds: Uint8Array.from({ length: positions * tokens }, () => next(inputs)),
      ids: Uint8Array.from({ length: positions * rows }, () => next(centroids)),
      blockOfRow: Int32Array.from({ length: rows }, () => next(next(blocks) + 1)),
      ...options,
    },
  };
}

function gridOf({ blocks }: Sizes, levels: number): Grid {
  return {
    minimums: Float32Array.from({ length: blocks }, (_, block) => -1.3 + block / 10),
    steps: Float32Array.from({ length: blocks }, (_, block) => (2.5 + block) / levels),
    levels,
  };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

function squares(values: readonly number[]): number {
  return dot(values, values);
}

function distance(a: Float32Array, b: ArrayLike<number>): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);
}
