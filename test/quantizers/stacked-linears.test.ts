import { expect, test } from "vitest";
import { blocksOfPart, codebooksOfPart, idsOfPart, stack } from "../../src/quantizers/stacked-linears.js";
import { matrix } from "../../src/tensor/matrix.js";

const linear = (name: string, rows: number, values: readonly number[]) => ({
  ...{ name, rows, columns: 2, attention: null },
  weight: matrix(rows, 2, Float32Array.from(values)),
});

const gate = linear("gate", 2, [3, 4, 0, 0]);
const up = linear("up", 4, [1, 1, 1, 1, 5, 5, 5, 5]);

test("linears lie one after another, in blocks of their own", () => {
  const { rows, blocks, blockOfRow } = stack([gate, up], (each) => ({
    ...{ blocks: each.rows / 2, shared: false, runs: 1 },
  }));
  expect([rows, blocks]).toEqual([6, 3]);
  expect([...blockOfRow]).toEqual([0, 0, 1, 1, 2, 2]);
});

test("shared blocks hold the same runs of all linears", () => {
  const { blocks, blockOfRow } = stack([gate, up], () => ({ blocks: 2, shared: true, runs: 2 }));
  expect(blocks).toBe(2);
  expect([...blockOfRow]).toEqual([0, 1, 0, 0, 1, 1]);
});

test("runs are divided by their root mean square, runs of zeros by 1", () => {
  const { weights, parts } = stack([gate, up], () => ({ blocks: 2, shared: false, runs: 2 }));
  expect(parts.map(({ magnitudes }) => [...magnitudes])).toEqual([
    [Math.fround(Math.sqrt(12.5)), 1],
    [1, 5],
  ]);
  expect([...weights.subarray(4)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
});

test("each part takes its ids, its blocks and its codebooks in its own magnitudes", () => {
  const stacked = stack([gate, up], (each) => ({
    blocks: each.rows / 2,
    shared: false,
    runs: each.rows / 2,
  }));
  const [, ofUp] = stacked.parts;
  expect([...idsOfPart(stacked, ofUp, Uint8Array.of(9, 9, 1, 2, 3, 4))]).toEqual([1, 2, 3, 4]);
  const codebooks = Float32Array.of(9, 9, 1, 2, 3, 4); // one position, three blocks of one centroid
  expect([...blocksOfPart(stacked, ofUp, codebooks, 2)]).toEqual([1, 2, 3, 4]);
  expect([...codebooksOfPart(stacked, ofUp, codebooks, 2)]).toEqual([1, 2, 15, 20]);
});
