import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { compareRuns } from "../../src/report/comparison.js";
import { comparisonPage } from "../../src/report/page/comparison-page.js";
import { suiteFolder } from "../pipeline/run.js";
import { openBrowser, type Reader, screenshotPath } from "./browser.js";
import { realRun } from "./real-run.js";

const folder = suiteFolder();
const open = openBrowser();
const files = { report: "", comparison: path.join(folder, "comparison.html") };
const desk: Reader = { colorScheme: "light", width: 1200 };

beforeAll(async () => {
  const runs = [await realRun(folder, 4), await realRun(folder, 2)];
  files.report = path.join(runs[0], "reports", "report.html");
  writeFileSync(files.comparison, comparisonPage(await compareRuns(runs)));
}, 120_000);

const readers: readonly (readonly [string, Reader])[] = [
  ["light", desk],
  ["dark", { colorScheme: "dark", width: 1200 }],
  ["phone", { colorScheme: "light", width: 390 }],
  ["dark-phone", { colorScheme: "dark", width: 390 }],
];

for (const kind of ["report", "comparison"] as const) {
  test.each(readers)(
    `the ${kind} opens without a complaint, asks for nothing and fits its window: %s`,
    async (name, reader) => {
      const { page, faults } = await open(files[kind], reader);
      await page.screenshot({ path: screenshotPath(`${kind}-${name}`), fullPage: true });
      expect(faults).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(reader.width);
      await page.close();
    },
  );

  test(`every chart of the ${kind} has a name and marks`, async () => {
    const { page } = await open(files[kind], desk);
    const charts = await page.locator("figure.chart").all();
    expect(charts.length).toBeGreaterThanOrEqual(3);
    for (const chart of charts) {
      const id = (await chart.getAttribute("id")) ?? "";
      const marks = chart.locator("svg :is(rect, circle, path):not([aria-label*=axis] *)");
      expect([id, await marks.count()]).not.toEqual([id, 0]);
      const named =
        (await chart.locator("svg").getAttribute("aria-label")) ??
        (await chart.locator("svg > title").textContent());
      expect(named).toBeTruthy();
      expect(await chart.locator("svg").innerHTML()).not.toMatch(/NaN|undefined|Infinity/);
    }
    await page.close();
  });
}

test("the report has every section, and is small", async () => {
  const { page } = await open(files.report, desk);
  expect(await page.locator("main section").evaluateAll((all) => all.map(({ id }) => id))).toEqual([
    ...["scores", "sizes", "linears", "histograms", "sensitivity", "costs", "stages", "provenance"],
  ]);
  expect(statSync(files.report).size).toBeLessThan(1e6);
  await page.close();
});

test("tables sort by a click on a head, by numbers and by texts, there and back", async () => {
  const { page } = await open(files.report, desk);
  const head = (title: string) => page.locator("#linears-table thead th", { hasText: title });
  await head("relative error").getByRole("button").click();
  expect(await head("relative error").getAttribute("aria-sort")).toBe("descending");
  const descending = await values(page, "relative error");
  expect(descending).toEqual([...descending].sort((a, b) => b - a));
  await head("relative error").getByRole("button").click();
  expect(await values(page, "relative error")).toEqual([...descending].reverse());
  await head("linear").getByRole("button").click();
  expect(await head("relative error").getAttribute("aria-sort")).toBe("none");
  const names = await page.locator("#linears-table tbody th").allTextContents();
  expect(names).toEqual([...names].sort());
  await page.close();
});

async function values(page: Page, title: string): Promise<readonly number[]> {
  const titles = await page.locator("#linears-table thead th").allTextContents();
  const column = titles.findIndex((each) => each.includes(title)) + 1;
  const cells = page.locator(`#linears-table tbody tr > :nth-child(${column})`);
  return cells.evaluateAll((all) => all.map((cell) => Number(cell.getAttribute("data-value"))));
}

test("one linear's histograms are shown at a time, the one that was chosen", async () => {
  const { page } = await open(files.report, desk);
  const shown = () =>
    page
      .locator("[data-chosen=linear]:visible")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-value")));
  const options = await page
    .locator("#linear option")
    .evaluateAll((all) => all.map((each) => each.getAttribute("value")));
  expect(options.length).toBe(7);
  expect(await shown()).toEqual([options[0]]);
  await page.locator("#linear").selectOption(options[3]);
  expect(await shown()).toEqual([options[3]]);
  await page.close();
});

test("a number that is tapped, in a table or in a picture, is shown in full", async () => {
  const { page } = await open(files.report, desk);
  const number = page.locator("#linears-table td .n").last();
  await number.click();
  expect(await page.locator(".tip").textContent()).toBe(await number.getAttribute("title"));
  const cell = page.locator("#errors-chart rect").first();
  await cell.click({ force: true });
  expect(await page.locator(".tip").textContent()).toMatch(/model\.layers\.\d+\..*\nrelative error 0\.\d+/);
  await page.locator("h1").click();
  expect(await page.locator(".tip").isVisible()).toBe(false);
  await page.close();
});

test("a table is saved as CSV with whole numbers, a picture as SVG with its colours", async () => {
  const { page, faults } = await open(files.report, desk);
  const csv = await saved(page, page.locator(".caption:has(#linears-table-caption) button.save"));
  const [head, ...rows] = csv.text.trim().split("\r\n");
  expect(csv.name).toMatch(/linears-table\.csv$/);
  expect(head).toBe("linear,block,outputs,inputs,scheme,bytes,bits per weight,relative error");
  expect(rows.length).toBe(28);
  expect(rows[0]).toMatch(
    /^model\.layers\.0\.self_attn\.q_proj,0,256,256,int4 g128,34304,4\.1875,0\.\d{6,}$/,
  );
  const svg = await saved(page, page.locator("#errors-chart button.save"));
  expect(svg.name).toMatch(/errors-chart\.svg$/);
  expect(svg.text).toContain("--step-6:");
  const alone = path.join(folder, "errors.svg");
  writeFileSync(alone, svg.text);
  await page.goto(`file://${alone}`);
  expect(await page.evaluate('getComputedStyle(document.querySelector(".step-6")).fill')).toBe(
    "rgb(14, 63, 110)",
  );
  expect(
    faults.filter(
      (fault) => !fault.startsWith(`request: file://${alone}`) && !fault.startsWith("request: blob:"),
    ),
  ).toEqual([]);
  await page.close();
});

async function saved(page: Page, button: Locator) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

test.each(["light", "dark"] as const)(
  "in the %s scheme texts have a contrast of 4.5, marks of 3",
  async (colorScheme) => {
    const { page } = await open(files.report, { colorScheme, width: 1200 });
    const color = (name: string) =>
      page.evaluate(
        `getComputedStyle(document.documentElement).getPropertyValue("--${name}")`,
      ) as Promise<string>;
    const contrastOf = async (a: string, b: string) => contrast(await color(a), await color(b));
    for (const text of ["ink", "faint", "first", "second"])
      expect(await contrastOf(text, "ground")).toBeGreaterThanOrEqual(4.5);
    for (const mark of ["third", "fourth", "fifth", "sixth"]) {
      expect(await contrastOf(mark, "ground")).toBeGreaterThanOrEqual(3);
      expect(await contrastOf("on-mark", mark)).toBeGreaterThanOrEqual(4.5);
    }
    for (const step of [0, 1, 2, 3])
      expect(await contrastOf("on-low", `step-${step}`)).toBeGreaterThanOrEqual(4.5);
    for (const step of [4, 5, 6])
      expect(await contrastOf("on-high", `step-${step}`)).toBeGreaterThanOrEqual(4.5);
    await page.close();
  },
);

/** Of two colours `#rrggbb`, by WCAG 2.2. */
function contrast(a: string, b: string): number {
  const luminance = (color: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const share = Number.parseInt(color.trim().slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test("on paper it is light, whole and without what can only be clicked", async () => {
  const { page } = await open(files.report, { colorScheme: "dark", width: 720 });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
  expect(await page.locator("nav, button.save").first().isVisible()).toBe(false);
  await page.screenshot({ path: screenshotPath("report-paper"), fullPage: true });
  await page.close();
});
