import { expect, test } from "vitest";
import { matrix, transposed } from "../../src/tensor/matrix.js";

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
