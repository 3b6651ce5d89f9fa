import { linearPlace } from "../linear-place.js";
import { coverageText } from "../markdown.js";
import type { LinearSummary } from "../summary.js";
import { chart } from "./chart.js";
import { linearSteps } from "./color-steps.js";
import { heatMapSvg } from "./heat-map.js";
import { html } from "./html.js";
import { bits, bytes, count, percent, whole } from "./number.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** How far each linear's weights are from what they were: a map of all, and every number in a table. */
export function errorsSection(linears: readonly LinearSummary[]): Section {
  const values = linears.map(({ name, relativeError }) => ({ name, value: relativeError }));
  return {
    id: "linears",
    title: "Linears",
    body: html`
${
  values.length > 0 &&
  chart({
    id: "errors-chart",
    title: "Relative error by block and linear",
    caption:
      "‖W − Ŵ‖ / ‖W‖ of the weights, in percent. It says what rounding did to the weights, not what that does to the model's answers.",
    svg: heatMapSvg({
      values,
      steps: linearSteps(values.map(({ value }) => value)),
      title: "Heat map of relative errors, by block and kind of linear; the table below has the same numbers",
      legend: "relative error, %",
      text: shortPercent,
      wholeText: (value) => `relative error ${value}`,
    }),
  })
}
${coverageText({ linears }).map((each) => html`<p>${each}.</p>`)}
${dataTable({
  id: "linears-table",
  caption: `${linears.length} quantized linears.`,
  columns: [
    { title: "linear" },
    { title: "block", numeric: true },
    { title: "outputs", numeric: true },
    { title: "inputs", numeric: true },
    { title: "scheme" },
    { title: "bytes", numeric: true },
    { title: "bits per weight", numeric: true },
    { title: "relative error", numeric: true },
    { title: "calibration tokens", numeric: true },
    { title: "look at" },
  ],
  rows: linears.map(
    ({ name, shape: [rows, columns], scheme, bytes: size, relativeError, oddity, tokens }) => {
      const { block } = linearPlace(name);
      return [
        name,
        block === null ? null : whole(block, "block"),
        whole(rows, "outputs"),
        whole(columns, "inputs"),
        scheme,
        bytes(size),
        bits((8 * size) / (rows * columns)),
        percent(relativeError, "relative error"),
        tokens === null ? null : count(tokens, "tokens of the calibration text"),
        oddity === null ? "" : oddities[oddity],
      ];
    },
  ),
})}`,
  };
}

const oddities = { unchanged: "unchanged", zeros: "all zeros" } as const;

/** `9.5`, `16.6`, `100`. */
function shortPercent(value: number): string {
  return (100 * value).toFixed(value >= 0.9995 ? 0 : 1);
}

/** Mean and worst relative error, for the head of a page. */
export function errorFacts(linears: readonly LinearSummary[]) {
  const errors = linears.map(({ relativeError }) => relativeError);
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const worst = linears.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  return {
    mean: percent(mean, "mean relative error"),
    worst: percent(worst.relativeError, "relative error"),
    worstName: worst.name,
    linears: count(linears.length, "linears"),
  };
}
