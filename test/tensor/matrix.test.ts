import { expect, test } from "vitest";
import { columnRuns, matrix, transposed } from "../../src/tensor/matrix.js";

test("a transposed matrix has columns for rows, whatever its sides", () => {
  const [rows, columns] = [17, 35]; // neither is whole squares of 16
  const source = matrix(rows, columns);
  for (let i = 0; i < source.data.length; i++) source.data[i] = i;
  const out = transposed(source);
  expect([out.rows, out.columns]).toEqual([columns, rows]);
  const expected = Array.from(
    { length: columns * rows },
    (_, at) => (at % rows) * columns + Math.floor(at / rows),
  );
  expect([...out.data]).toEqual(expected);
});

test("runs of columns stand side by side in every row", () => {
  const source = matrix(2, 6, Float32Array.of(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15));
  const out = columnRuns(source, [4, 0], 2);
  expect([out.rows, out.columns]).toEqual([2, 4]);
  expect([...out.data]).toEqual([4, 5, 0, 1, 14, 15, 10, 11]);
});
