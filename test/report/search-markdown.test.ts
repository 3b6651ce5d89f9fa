import { expect, test } from "vitest";
import { searchMarkdown } from "../../src/report/search-markdown.js";
import { madeUpResult } from "../search/made-up.js";

const lines = searchMarkdown(madeUpResult).split("\n");
const cells = (start: string) => lines.find((line) => line.startsWith(start))?.split(" | ");

test("the head says what was asked for and what came of it", () => {
  expect(lines[0]).toBe("# Search: tiny");
  expect(lines[2]).toMatch(/Budget: 3\.2 bits per weight\. Found: 3\.188 bits per weight/);
  expect(lines[3]).toBe("No other choice of these candidates within the budget has less predicted loss.");
});

test("how far predictions hold is in the table, for compared runs only what was measured", () => {
  expect(cells("| **found**")?.slice(3)).toEqual(["0.0800", "0.100", "1.25 |"]);
  expect(cells("| my-run")?.slice(3)).toEqual(["–", "0.300", "– |"]);
});

test("every linear has its alternatives, and of these what was measured is marked", () => {
  expect(cells("| b |")?.slice(1, 4)).toEqual(["rtn: int4 g128", "4.19", "0.0400"]);
  expect(cells("| b |")?.[4]).toBe("rtn: int2 g128 (2.19, 0.640 =); rtn: int3 g128 (3.19, 0.160 =) |");
});

test("a bound below the predicted loss is told as a gap", () => {
  const found = { ...madeUpResult.found, bound: 0.06 };
  expect(searchMarkdown({ ...madeUpResult, found })).toContain("at most 25.00 % less predicted loss");
});
