import { expect, test } from "vitest";
import type { FitTablesTask, Grid } from "../../src/kernels/fit-tables.js";
import type { StackedLinears } from "../../src/quantizers/stacked-linears.js";
import { type TablesToRound, tableGrids } from "../../src/quantizers/table-grids.js";
import { reference } from "../kernels/every-path.js";
import { integers } from "../targets/random-weights.js";

const [positions, rows, tokens, inputs, centroids, blocks] = [10, 12, 60, 5, 3, 3];
/** Blocks 0 and 1 are a linear's with one scale, block 2 is another's. */
const groups = [[0, 1], [2]];

test("the whole range's share is chosen that leaves the least after a fit, for blocks that share levels together", async () => {
  const chosen = new Set<number>();
  for (const seed of [1, 2, 3, 4]) {
    const task = random(seed);
    const widest = await tableGrids({ ...task, residual: null }, reference);
    const found = await tableGrids(task, reference);
    const left = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((narrowed) => leftBy(task, narrower(widest, 0.75 ** narrowed))),
    );
    const leftByFound = await leftBy(task, found);
    for (const group of groups) {
      const of = (energies: readonly number[]) => group.reduce((sum, block) => sum + energies[block], 0);
      expect(of(leftByFound)).toBe(Math.min(...left.map(of)));
      chosen.add(left.map(of).indexOf(of(leftByFound)));
    }
  }
  expect(chosen.size).toBeGreaterThan(1);
});

test("blocks of a linear with one scale share levels", async () => {
  const { minimums, steps, levels } = await tableGrids(random(5), reference);
  expect([minimums[0], steps[0], levels]).toEqual([minimums[1], steps[1], 3]);
  expect(steps[2]).not.toBe(steps[0]);
});

test("entries that no token or output meets do not widen the range", async () => {
  const task = { ...random(6), residual: null };
  const tables = task.tables.slice();
  const { inputIds } = task.fit;
  const unmet = [0, 1, 2, 3, 4].find((input) => !inputIds.subarray(0, tokens).includes(input)) as number;
  tables[unmet * centroids] = 1e6;
  expect(await tableGrids({ ...task, tables }, reference)).toEqual(await tableGrids(task, reference));
});

/** Per block, the squares of what a fit on the grid leaves. */
async function leftBy({ tables, residual, fit }: TablesToRound, grid: Grid): Promise<number[]> {
  const left = (residual as Float32Array).slice();
  await reference.fitTables(tables.slice(), left, { ...fit, grid });
  const energies = new Array<number>(blocks).fill(0);
  for (const [at, value] of left.entries())
    energies[fit.blockOfRow[Math.floor(at / tokens)]] += value * value;
  return energies;
}

function narrower(grid: Grid, share: number): Grid {
  return {
    ...grid,
    minimums: grid.minimums.map((minimum) => minimum * share),
    steps: grid.steps.map((step) => step * share),
  };
}

/** Products with outliers among them, of inputs whose last id is never met at the first position. */
function random(seed: number): TablesToRound {
  const next = integers(seed);
  const value = () => ((next(2001) - 1000) / 1000) ** 3 * (next(40) === 0 ? 4 : 1);
  const fit: FitTablesTask = {
    ...{ inputs, centroids, blocks, sweeps: 1, inertia: 1, grid: null },
    inputIds: Uint8Array.from({ length: positions * tokens }, (_, at) =>
      next(at < tokens ? inputs - 1 : inputs),
    ),
    ids: Uint8Array.from({ length: positions * rows }, () => next(centroids)),
    blockOfRow: Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 4)),
  };
  const part = { firstRow: 0, firstBlock: 0, blocks: 2, rows: 8, magnitudes: Float32Array.of(1) };
  const stacked: StackedLinears = {
    ...{ rows, columns: positions, blocks, weights: new Float32Array(0), blockOfRow: fit.blockOfRow },
    parts: [part, { ...part, firstRow: 8, firstBlock: 2, blocks: 1, rows: 4 }],
  };
  return {
    ...{ stacked, fit, bits: 2 },
    tables: Float32Array.from({ length: positions * blocks * inputs * centroids }, value),
    residual: Float32Array.from({ length: rows * tokens }, value),
  };
}
