import type { SearchFile } from "../search-file.js";
import { bitsChart } from "./bits-chart.js";
import { chart } from "./chart.js";
import { logarithmicSteps } from "./color-steps.js";
import { heatMapSvg } from "./heat-map.js";
import { type Html, html } from "./html.js";
import { bits, percent, threeDigits, whole } from "./number.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** What the search that made the recipe predicted of each linear, and measured of whole models. */
export function sensitivitySection({ linears, text, found, uniform, compared }: SearchFile): Section {
  const chosen = linears.map(({ name, options, chosen: at }) => ({ name, ...options[at] }));
  const total = chosen.reduce((sum, { loss }) => sum + loss, 0);
  const values = chosen.map(({ name, loss }) => ({ name, value: loss }));
  const points = [
    { name: "found", ...found },
    ...uniform.map((each) => ({ ...each, name: `${each.candidate.name} for all` })),
    ...compared,
  ];
  return {
    id: "sensitivity",
    title: "Sensitivity",
    body: html`
<p>By the search that made the recipe, on ${text.probedTokens} tokens of ${text.name}: how far each linear, as it was chosen, moves the next-token distributions from the float model's.</p>
${chart({
  id: "sensitivity-chart",
  title: "Predicted loss by block and linear",
  caption: "Kullback–Leibler divergence in 10⁻⁶ nats a token. The scale is logarithmic.",
  svg: heatMapSvg({
    values,
    steps: logarithmicSteps(values.map(({ value }) => value)),
    title: "Heat map of predicted losses, by block and kind of linear; the table below has the same numbers",
    legend: "predicted loss, 10⁻⁶ nats a token",
    text: (value) => shortText(1e6 * value),
    wholeText: (value) => `${value} nats a token`,
  }),
})}
${measuredHtml(points)}
${dataTable({
  id: "sensitivity-table",
  caption: "The chosen candidate of each linear.",
  columns: [
    { title: "linear" },
    { title: "chosen" },
    { title: "of", numeric: true },
    { title: "bits per weight", numeric: true },
    { title: "error of outputs", numeric: true },
    { title: "predicted loss", numeric: true },
    { title: "share", numeric: true },
  ],
  rows: linears.map(({ name, options, chosen: at }) => {
    const { candidate, bitsPerWeight, error, loss } = options[at];
    return [
      name,
      candidate.name,
      whole(options.length, "candidates"),
      bits(bitsPerWeight),
      threeDigits(error, "squared relative error of the outputs"),
      threeDigits(loss, "nats a token"),
      total > 0 ? percent(loss / total, "of the predicted loss of all linears", 1) : null,
    ];
  }),
})}`,
  };
}

interface Measured {
  readonly name: string;
  readonly bitsPerWeight: number;
  readonly divergence: number;
}

/** Whole models that were measured: a picture where there are two or more, and their numbers. */
function measuredHtml(measured: readonly Measured[]): Html {
  const points = measured.flatMap(({ name, bitsPerWeight, divergence }, at) =>
    divergence > 0 // else it has no place on a logarithmic scale
      ? { name, label: String(at + 1), bitsPerWeight, value: divergence, standardError: null }
      : [],
  );
  return html`${
    points.length > 1 &&
    chart(
      bitsChart({
        id: "divergence-chart",
        title: "Measured divergence against bits",
        label: "divergence, nats a token",
        caption:
          "What was found, and what was measured beside it on the same text, by the numbers of the table.",
        ...{ points, float: null, logarithmic: true },
      }),
    )
  }
${dataTable({
  id: "divergence-table",
  caption: "Whole models, measured on the search's text.",
  columns: [
    { title: "number", numeric: true },
    { title: "recipe" },
    { title: "bits per weight", numeric: true },
    { title: "divergence", numeric: true },
  ],
  rows: measured.map(({ name, bitsPerWeight, divergence }, at) => [
    String(at + 1),
    name,
    bits(bitsPerWeight),
    threeDigits(divergence, "nats a token"),
  ]),
})}`;
}

/** Three digits at most: `1230`, `12`, `1.2`, `0.01`. */
function shortText(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}
