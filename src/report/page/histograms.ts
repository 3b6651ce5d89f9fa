import * as Plot from "@observablehq/plot";
import type { Bins } from "../bins.js";
import type { Grid, InputBins, LinearHistogram, LinearHistograms } from "../linear-histograms.js";
import { chart, plotSvg } from "./chart.js";
import { type Html, html } from "./html.js";
import type { Section } from "./shell.js";

/** Weights of the worst linear of each kind with a grid of theirs, and of their inputs; the reader chooses which is shown. */
export function histogramsSection({ linears }: LinearHistograms): Section {
  return {
    id: "histograms",
    title: "Histograms",
    body: html`
<p>Of each kind the linear with the largest relative error.</p>
<div class="choice" data-choice="linear" hidden><label for="linear">Linear</label>
<select id="linear">${linears.map(
      ({ name, relativeError }) =>
        html`<option value="${name}">${name}, relative error ${(100 * relativeError).toFixed(2)} %</option>`,
    )}</select></div>
${linears.map(
  (linear, at) => html`
<div class="pair" data-chosen="linear" data-value="${linear.name}">
${weightsChart(linear, at)}
${linear.inputs && inputsChart(linear.name, linear.inputs, at)}
</div>`,
)}`,
  };
}

const [width, height] = [440, 240];
const margins = { marginTop: 16, marginRight: 12, marginBottom: 38, marginLeft: 56 };

function weightsChart({ name, weights, grid }: LinearHistogram, at: number): Html {
  const of = weights.of === "checkpoint" ? "The checkpoint's weights" : "Quantized weights";
  return chart({
    id: `weights-chart-${at}`,
    title: `Weights of ${name}`,
    caption: `${of}. ${gridText(grid)}`,
    svg: plotSvg(`Histogram of the weights of ${name}`, {
      ...{ width, height, ...margins },
      x: { label: "weight", ticks: 6 },
      y: { label: "weights a bin", grid: true, ticks: 4, tickFormat: "~s" },
      marks: [
        Plot.rectY(barsOf(weights), { ...bar, className: "first" }),
        Plot.ruleX(grid?.levels ?? [], {
          ...{ className: "levels", strokeWidth: 1, title: (level: number) => `level ${level}` },
        }),
        Plot.ruleY([0], { className: "zero" }),
      ],
    }),
  });
}

function gridText(grid: Grid | null): string {
  if (grid === null) return "A group has more values than lines could show.";
  const { row, firstColumn, lastColumn, levels } = grid;
  return `Lines: the ${levels.length} values of the quantized weights in one group, output ${row}, inputs ${firstColumn} to ${lastColumn}; of all groups its largest quantized weight is the median.`;
}

function inputsChart(
  name: string,
  { tokens, channels, largest, rootMeanSquare }: InputBins,
  at: number,
): Html {
  return chart({
    id: `inputs-chart-${at}`,
    title: `Inputs of ${name}`,
    caption: html`Magnitudes of its ${channels} channels over ${tokens} tokens of calibration text: <span class="key-first">root mean square</span>, <span class="key-second">the largest</span>. Far to the right of the others lie outlier channels.`,
    svg: plotSvg(`Histogram of magnitudes of the input channels of ${name}`, {
      ...{ width, height, ...margins },
      x: { label: "magnitude", tickFormat: (power: number) => magnitudeText(power), ticks: 5 },
      y: { label: "channels a bin", grid: true, ticks: 4 },
      marks: [
        Plot.rectY(barsOf(rootMeanSquare, 10), { ...bar, className: "first", fillOpacity: 0.75 }),
        Plot.rectY(barsOf(largest, 10), { ...bar, className: "second", fillOpacity: 0.75 }),
        Plot.ruleY([0], { className: "zero" }),
      ],
    }),
  });
}

interface Bar {
  readonly x1: number;
  readonly x2: number;
  readonly y: number;
  readonly text: string;
}

const bar = { x1: "x1", x2: "x2", y: "y", title: "text", insetLeft: 0.25, insetRight: 0.25 };

/** @param base of the logarithm that the bins are over; without one they are over the values. */
function barsOf({ first, width: wide, counts }: Bins, base: number | null = null): readonly Bar[] {
  const shown = (value: number) => Number((base ? base ** value : value).toPrecision(4));
  return counts.flatMap((count, at) => {
    const [x1, x2] = [first + at * wide, first + (at + 1) * wide];
    return count === 0 ? [] : { x1, x2, y: count, text: `${shown(x1)} to ${shown(x2)}: ${count}` };
  });
}

/** `0.03`, `10`: of a logarithm. */
function magnitudeText(power: number): string {
  return String(Number((10 ** power).toPrecision(2)));
}
