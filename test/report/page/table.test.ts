import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { html } from "../../../src/report/page/html.js";
import { bytes, quantity } from "../../../src/report/page/number.js";
import { dataTable } from "../../../src/report/page/table.js";

const parse = (text: string) => parseHTML(`<html><body>${text}</body></html>`).document;

const document = parse(
  dataTable({
    id: "t",
    caption: "What it shows.",
    columns: [
      { title: "linear" },
      { title: "bytes", numeric: true },
      { title: "nothing" },
      { title: "score", numeric: true },
    ],
    rows: [
      ["q", bytes(1536), null, { ...quantity(0.81309, "0.8131", "acc"), note: html` ± 0.01` }],
      ["k", null, "", quantity(1, "1.0000", "acc")],
    ],
  }).html,
);

test("rows and columns have heads, and the table its caption's name", () => {
  expect([...document.querySelectorAll("thead th[scope=col]")].map((head) => head.textContent)).toEqual([
    "linear",
    "bytes",
    "score",
  ]);
  expect([...document.querySelectorAll("tbody th[scope=row]")].map((head) => head.textContent)).toEqual([
    "q",
    "k",
  ]);
  const label = document.querySelector("table")?.getAttribute("aria-labelledby") ?? "";
  expect(document.getElementById(label)?.textContent).toBe("What it shows.");
});

test("a number is short for the eye, whole in its tooltip and for sorting", () => {
  const cell = document.querySelector("tbody td");
  expect(cell?.textContent).toBe("1.50 KiB");
  expect(cell?.getAttribute("data-value")).toBe("1536");
  expect(cell?.querySelector("span")?.getAttribute("title")).toBe("1536 bytes");
});

test("a column that says nothing in any row is left out", () => {
  expect(document.querySelectorAll("tbody tr:first-child > *").length).toBe(3);
});
