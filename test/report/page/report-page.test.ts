import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { estimate } from "../../../src/pipeline/estimate.js";
import { loadDevice } from "../../../src/recipe/device.js";
import { reportPage } from "../../../src/report/page/report-page.js";
import { findTarget } from "../../../src/targets/registry.js";
import { bundledModel } from "../../pipeline/run.js";
import { madeUpHistogram, madeUpSearch, noDetails } from "../made-up-details.js";
import { madeUpPerplexities, madeUpSummary, madeUpTaskScores } from "../made-up-summary.js";

const parse = (page: string) => parseHTML(page).document;
const sections = (page: string) => [...parse(page).querySelectorAll("main section")].map(({ id }) => id);
const cells = (page: string, table: string) =>
  [...parse(page).querySelectorAll(`#${table} tbody tr`)].map((row) =>
    [...row.querySelectorAll("th, td")].map((cell) => cell.textContent?.replace(/\s+/g, " ").trim()),
  );

test("every score stands in the headline with its error, its change and the interval of that", () => {
  const scores = [...madeUpPerplexities("a.txt", 256), ...madeUpTaskScores("glue:sst2")];
  const page = reportPage(madeUpSummary(2, { scores }), noDetails);
  const rows = cells(page, "scores-table");
  expect(rows.map(([task, metric]) => `${task} ${metric}`)).toEqual([
    "perplexity token perplexity",
    "perplexity word perplexity",
    "perplexity byte perplexity",
    "glue:sst2 acc",
  ]);
  expect(rows[0].slice(2, 5)).toEqual(["20.000 ± 0.500", "21.000 ± 0.5001.0500 × [1.0400 ×, 1.0600 ×]", "–"]);
  expect(rows[3].slice(2, 5)).toEqual([
    "0.8131 ± 0.0132",
    "0.8074 ± 0.0132−0.0057 [−0.0300, +0.0100]",
    "0.8085 ± 0.0132−0.0046 [−0.0300, +0.0100]",
  ]);
});

test("what an interval shows is said: a direction, or no difference", () => {
  const scores = [...madeUpPerplexities("a.txt", 256), ...madeUpTaskScores("glue:sst2")];
  const rows = cells(reportPage(madeUpSummary(1, { scores }), noDetails), "differences-table");
  const shown = rows.map((row) => [row[0], row[6]]);
  expect(shown).toEqual([
    ["perplexity", "worse"],
    ["glue:sst2", "no difference"],
    ["glue:sst2", "no difference"],
  ]);
});

test("a limited score is marked in every table that it stands in", () => {
  const page = reportPage(madeUpSummary(1, { scores: madeUpTaskScores("glue:sst2", true) }), noDetails);
  const document = parse(page);
  for (const table of ["scores-table", "differences-table"]) {
    for (const row of document.querySelectorAll(`#${table} tbody tr`)) expect(row.textContent).toContain("†");
    expect(document.getElementById(`${table}-caption`)?.textContent).toContain("† limited");
  }
  expect(page).toContain("limited: the first 100 of 872 examples");
  const whole = reportPage(madeUpSummary(1, { scores: madeUpTaskScores("glue:sst2") }), noDetails);
  expect(whole.replace(/<style[\s\S]*?<\/style>/g, "")).not.toContain("†");
});

test("no table has two columns of one title", () => {
  const scores = [...madeUpPerplexities("a.txt", 256), ...madeUpTaskScores("glue:sst2")];
  const summary = madeUpSummary(2, { scores });
  const search = madeUpSearch(summary.linears.map(({ name }) => name));
  const tables = [...parse(reportPage(summary, { ...noDetails, search })).querySelectorAll("table")];
  expect(tables.length).toBeGreaterThan(5);
  for (const table of tables) {
    const titles = [...table.querySelectorAll("thead th")].map(({ textContent }) => textContent?.trim());
    expect(new Set(titles).size, `${table.id}: ${titles.join(", ")}`).toBe(titles.length);
  }
});

test("a section without anything to show is not there, and the foot says why", () => {
  const page = reportPage(madeUpSummary(1), { ...noDetails, leftOut: ["Costs: no pack."] });
  expect(sections(page)).toEqual(["sizes", "linears", "stages", "provenance"]);
  expect(parse(page).querySelector("footer")?.textContent).toContain("Costs: no pack.");
});

test("with all there is to show, the page of 28 blocks has every linear and less than 2 MB", async () => {
  const device = await loadDevice("kv260");
  const costs = { path: bundledModel, target: findTarget("tellme"), device, prefill: 128, decode: 128 };
  const summary = madeUpSummary(28, { scores: madeUpTaskScores("glue:sst2") });
  const names = summary.linears.map(({ name }) => name);
  const page = reportPage(summary, {
    histograms: { linears: names.slice(0, 7).map(madeUpHistogram), withoutCheckpoint: null },
    ...{ search: madeUpSearch(names), estimates: [await estimate(costs)], leftOut: [] },
  });
  const document = parse(page);
  for (const section of ["linears", "sensitivity"]) {
    expect(document.querySelectorAll(`#${section}-table tbody tr`).length).toBe(196);
    expect(document.querySelectorAll(`#${section} figure:first-of-type rect`).length).toBe(196);
  }
  expect(Buffer.byteLength(page)).toBeLessThan(2e6);
});

test("it asks for nothing from outside", () => {
  const page = reportPage(madeUpSummary(2), noDetails);
  const addresses = page.replaceAll("http://www.w3.org/2000/svg", "");
  expect(addresses).not.toMatch(/https?:|url\(|@import|<iframe|srcset/);
  expect(page).toContain("default-src 'none'");
});

test("a hostile name stays a text", () => {
  const name = `</title></style><script>alert("x")</script>`;
  const [linear] = madeUpSummary(1).linears;
  const summary = madeUpSummary(1, {
    model: name,
    recipe: name,
    notes: [name],
    linears: [{ ...linear, name }],
  });
  const document = parse(reportPage(summary, noDetails));
  expect(document.querySelectorAll("script").length).toBe(1);
  expect(document.querySelector("h1")?.textContent).toContain(name);
});

test("the same summary gives the same bytes", () => {
  expect(reportPage(madeUpSummary(2), noDetails)).toBe(reportPage(madeUpSummary(2), noDetails));
});
