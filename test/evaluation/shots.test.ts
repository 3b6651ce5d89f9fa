import { expect, test } from "vitest";
import { shotsBefore } from "../../src/evaluation/shots.js";
import { findTasks } from "../../src/evaluation/tasks/registry.js";

const [sst2] = findTasks("glue:sst2");
const rows = ["a", "b", "c"].map((sentence) => ({ sentence, label: 1 }));

test("the first rows are shown, in order", () => {
  expect(shotsBefore(sst2, { sentence: "x", label: 0 }, rows, 2)).toEqual(rows.slice(0, 2));
  expect(shotsBefore(sst2, { sentence: "x", label: 0 }, rows, 0)).toEqual([]);
});

test("a row never shows itself, read from another file too", () => {
  expect(shotsBefore(sst2, { sentence: "b", label: 1 }, rows, 2)).toEqual([rows[0], rows[2]]);
});

test("too few are refused with how many there are", () => {
  expect(() => shotsBefore(sst2, rows[0], rows, 3)).toThrow("glue:sst2 has 2 solved examples to show, not 3");
});
