import { type ComparedScores, type Comparison, shippedScore } from "../comparison.js";
import { modelName, recipeName } from "../names.js";
import { conventionText, dataText } from "../score-text.js";
import { countText } from "../text.js";
import { bitsChart } from "./bits-chart.js";
import { chart } from "./chart.js";
import { type Html, html } from "./html.js";
import { bits, bytes, number, percent, quantity } from "./number.js";
import { limitedCaption, scoreCell, scoreCellCaption } from "./score-cell.js";
import { type Fact, pageHtml, type Section } from "./shell.js";
import { type Cell, dataTable } from "./table.js";

/** Runs side by side, in the style of a run's report. */
export function comparisonPage(comparison: Comparison): string {
  const { runs, scores, notes } = comparison;
  const models = [...new Set(runs.map(({ summary }) => summary.model))];
  const sections: readonly (Section | readonly [])[] = [
    scores.length > 0
      ? { id: "scores", title: "Scores", body: html`${chartsHtml(comparison)}${scoresTable(comparison)}` }
      : [],
    { id: "sizes", title: "Sizes and errors", body: sizesTable(comparison) },
    runs.some(({ costs }) => costs.length > 0)
      ? { id: "costs", title: "Costs by the cost model", body: costsTable(comparison) }
      : [],
  ];
  return pageHtml({
    name: "comparison",
    kind: "comparison",
    title: `${runs.length} runs of ${models.map(modelName).join(", ")}`,
    facts: runs.map(factOf),
    sections: sections.flat(),
    foot: html`${notes.map((note) => html`<p>${note}</p>`)}
<p>Runs: ${runs.map(({ summary }) => summary.run).join(", ")}. Point at a number, or tap it, to see it in full.</p>`,
  });
}

function factOf({ name, summary }: Comparison["runs"][number]): Fact {
  const bits = summary.quantizedBitsPerWeight;
  return {
    name,
    value: number(quantity(bits, `${bits.toFixed(2)} bits`, "bits per weight of the quantized linears")),
    more: `a weight, ${recipeName(summary.recipe)}`,
  };
}

/** A picture for each metric that two runs or more have: what is shipped of each, over its bits. */
function chartsHtml({ runs, scores }: Comparison): Html {
  const charts = scores.flatMap((measure, at) => {
    if (measure.derived) return [];
    const points = runs.flatMap(({ name, summary }, run) => {
      const score = shippedScore(measure, run);
      if (score === null) return [];
      const pack = summary.packs.find(({ target }) => target === score.target);
      return {
        ...{ name: `${name}: ${score.subject}`, label: name, value: score.value },
        bitsPerWeight: pack?.bitsPerWeight ?? summary.quantizedBitsPerWeight,
        standardError: score.standardError,
      };
    });
    return points.length < 2
      ? []
      : chart(bitsChart({ ...chartTexts(measure, at), points, logarithmic: false }));
  });
  return html`<div class="pair">${charts}</div>`;
}

function chartTexts(measure: ComparedScores, at: number) {
  const float = measure.rows
    .find(({ of }) => of === "checkpoint, float")
    ?.scores.find((score) => score !== null);
  const bars = "Bars are a standard error to either side, where there is one.";
  return {
    id: `bits-chart-${at}`,
    title: `${measure.task}: ${measure.metric}${measure.limited ? " †" : ""}`,
    label: measure.metric,
    float: float?.value ?? null,
    caption: `What each run ships, its pack where there is one; ${measure.higherIsBetter ? "higher" : "lower"} is better. ${bars} Dashed: the checkpoint in float. ${dataText(measure)}: ${conventionText(measure)}.`,
  };
}

function scoresTable({ runs, scores }: Comparison): Html {
  return dataTable({
    id: "scores-table",
    caption: html`${scoreCellCaption}${scores.some(({ limited }) => limited) && limitedCaption}`,
    columns: [
      { title: "task" },
      { title: "metric" },
      { title: "of" },
      ...runs.map(({ name }) => ({ title: name, numeric: true })),
      { title: "better" },
      { title: "data" },
    ],
    rows: scores.flatMap((measure) =>
      measure.rows.map(({ of, scores: ofRuns }) => [
        measure.task,
        measure.metric,
        of,
        ...ofRuns.map((score) => score && scoreCell(measure, score)),
        measure.higherIsBetter ? "higher" : "lower",
        { text: dataText(measure), note: html`<span class="beside long">${conventionText(measure)}</span>` },
      ]),
    ),
  });
}

function sizesTable({ runs }: Comparison): Html {
  const row = (title: string, cellOf: (run: Comparison["runs"][number]) => Cell) => [
    title,
    ...runs.map(cellOf),
  ];
  const targets = [...new Set(runs.flatMap(({ summary }) => summary.packs.map(({ target }) => target)))];
  return dataTable({
    id: "sizes-table",
    caption: "Bits are per weight of the quantized linears; the whole model counts what stays float too.",
    columns: [{ title: "size" }, ...runs.map(({ name }) => ({ title: name, numeric: true }))],
    rows: [
      row("recipe", ({ summary }) => recipeName(summary.recipe)),
      row("bits per weight, stored", ({ summary }) => bits(summary.quantizedBitsPerWeight)),
      row("bytes, stored", ({ summary }) => bytes(summary.quantizedBytes)),
      row("whole model", ({ summary }) => bytes(summary.parts.reduce((sum, part) => sum + part.bytes, 0))),
      ...targets.flatMap((target) => {
        const packOf = (run: Comparison["runs"][number]) =>
          run.summary.packs.find((pack) => pack.target === target) ?? null;
        return [
          row(`bits per weight, ${target} pack`, (run) => shownOf(packOf(run)?.bitsPerWeight, bits)),
          row(`bytes, ${target} pack`, (run) => shownOf(packOf(run)?.bytes, bytes)),
        ];
      }),
      row("relative error, mean", ({ meanRelativeError }) =>
        meanRelativeError === null ? null : percent(meanRelativeError, "mean relative error"),
      ),
    ],
  });
}

/** Null where there is no number. */
function shownOf(value: number | undefined, shown: (value: number) => Cell): Cell {
  return value === undefined ? null : shown(value);
}

function costsTable({ runs }: Comparison): Html {
  return dataTable({
    id: "costs-table",
    caption:
      "All linears for one token, by the formulas of the target's source on a shipped device: bounds, not measurements.",
    columns: [
      { title: "run" },
      { title: "target" },
      { title: "device" },
      { title: "cycles a token", numeric: true },
      { title: "time a token", numeric: true },
    ],
    rows: runs.flatMap(({ name, costs }) =>
      costs.map(({ target, device, cyclesPerToken, secondsPerToken }) => [
        name,
        target,
        device,
        quantity(cyclesPerToken, countText(Math.round(cyclesPerToken)), "cycles a token"),
        quantity(secondsPerToken, `${Number((1000 * secondsPerToken).toPrecision(3))} ms`, "seconds a token"),
      ]),
    ),
  });
}
