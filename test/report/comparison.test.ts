import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { comparedRun, comparison, shippedScore } from "../../src/report/comparison.js";
import { comparisonPage } from "../../src/report/page/comparison-page.js";
import { madeUpPerplexities, madeUpSummary, madeUpTaskScores } from "./made-up-summary.js";

const scored = (name: string, bits: number, scores = madeUpTaskScores("glue:sst2")) =>
  comparedRun(
    name,
    madeUpSummary(2, { run: `runs/${name}`, scores, quantizedBitsPerWeight: bits, packs: [] }),
    [],
  );

test("scores of the same data under the same convention stand in one row, others in rows of their own", () => {
  const runs = [scored("a", 4), scored("b", 3), scored("c", 2, madeUpTaskScores("glue:sst2", true))];
  const { scores } = comparison(runs, 1);
  expect(scores.map(({ limited }) => limited)).toEqual([null, { examples: 100, available: 872 }]);
  expect(
    scores[0].rows.map(({ of, scores: ofRuns }) => [of, ...ofRuns.map((score) => score?.value ?? null)]),
  ).toEqual([
    ["checkpoint, float", 0.8131, 0.8131, null],
    ["quantized, float arithmetic", 0.8085, 0.8085, null],
    ["pack, LUT engine", 0.8074, 0.8074, null],
  ]);
});

test("what a run ships is its pack, or its weights where it has none", () => {
  const withoutPack = madeUpTaskScores("glue:sst2").filter(({ target }) => target === null);
  const { scores } = comparison([scored("a", 4), scored("b", 3, withoutPack)], 1);
  expect([0, 1].map((run) => shippedScore(scores[0], run)?.value)).toEqual([0.8074, 0.8085]);
});

test("runs without scores, and runs of several checkpoints, are said to be", () => {
  const { notes } = comparison([scored("a", 4, []), scored("b", 3)], 2);
  expect(notes).toEqual([
    "The runs are of 2 different checkpoints: their scores differ by these too.",
    expect.stringContaining("Without scores: a."),
  ]);
});

test("the page has runs as columns, and a picture of each metric that two runs have", () => {
  const runs = [
    scored("a", 4, madeUpPerplexities("a.txt", 256)),
    scored("b", 3, madeUpPerplexities("a.txt", 256)),
  ];
  const page = comparisonPage(comparison(runs, 1));
  const { document } = parseHTML(page);
  const heads = [...document.querySelectorAll("#scores-table thead th")].map(
    ({ textContent }) => textContent,
  );
  expect(heads).toEqual(["task", "metric", "of", "a", "b", "better", "data"]);
  const charts = [...document.querySelectorAll("figure.chart")];
  // A word's and a byte's perplexity say the same of the model as a token's.
  expect(charts.map((chart) => chart.querySelector("h3")?.textContent)).toEqual([
    "perplexity: token perplexity",
  ]);
  for (const chart of charts) expect(chart.querySelectorAll("circle").length).toBe(2);
});
