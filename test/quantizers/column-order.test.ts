import { expect, test } from "vitest";
import { orderOfColumns } from "../../src/quantizers/column-order.js";

const diagonal = Float64Array.of(1, 3, 3, /**/ 5, 0, 4, /**/ 7, 0, 0);

test("`none` leaves columns where they are", () => {
  expect([...orderOfColumns(diagonal, 3, "none")]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("`groups`: groups by falling sum, columns of each by falling moment, the first of equals first", () => {
  // Sums are 7, 9 and 7.
  expect([...orderOfColumns(diagonal, 3, "groups")]).toEqual([3, 5, 4, 1, 2, 0, 6, 7, 8]);
});

test("`static`: all columns by falling moment, whatever their group", () => {
  expect([...orderOfColumns(diagonal, 3, "static")]).toEqual([6, 3, 5, 1, 2, 0, 4, 7, 8]);
});

test("with one group `groups` is `static`", () => {
  expect(orderOfColumns(diagonal, 9, "groups")).toEqual(orderOfColumns(diagonal, 9, "static"));
});
