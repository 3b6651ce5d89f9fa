import { expect, test } from "vitest";
import { inputOrder } from "../../../src/schemes/stored/input-order.js";

test("groups that follow each other need no order", () => {
  expect(inputOrder(Int32Array.of(0, 0, 1, 1, 2, 2), 2, "g_idx")).toBeNull();
});

test("the inputs of a group are listed in their order", () => {
  expect([...inputOrder(Int32Array.of(1, 0, 2, 1, 2, 0), 2, "g_idx")!]).toEqual([1, 5, 0, 3, 2, 4]);
});

test.each([
  ["too many inputs", [0, 0, 0, 1]],
  ["a negative number", [0, -1, 1, 1]],
  ["a group that is not there", [0, 0, 1, 2]],
])("a group with %s is refused, naming the tensor", (_, groupOf) => {
  expect(() => inputOrder(Int32Array.from(groupOf), 2, "l.g_idx")).toThrow(
    /tensor l\.g_idx places input \d in group/,
  );
});
