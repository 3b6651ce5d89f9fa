import * as Plot from "@observablehq/plot";
import { linearPlace, shortNames } from "../linear-place.js";
import { plotSvg } from "./chart.js";
import { colorOf, colorOfStep, type Steps } from "./color-steps.js";
import type { Html } from "./html.js";

/** A number of a linear. */
export interface LinearValue {
  /** The linear's name. */
  readonly name: string;
  readonly value: number;
}

export interface HeatMap {
  readonly values: readonly LinearValue[];
  readonly steps: Steps;
  /** What it shows, for who cannot see it. */
  readonly title: string;
  /** Above the scale: `relative error, %`. */
  readonly legend: string;
  /** A few characters, in cells that have room. */
  text(value: number): string;
  /** For tooltips. */
  wholeText(value: number): string;
}

/** Cells by block and kind of linear, in seven steps; with their numbers where there is room. Of several linears in one cell the largest value counts. */
export function heatMapSvg({ values, steps, title, legend, text, wholeText }: HeatMap): Html {
  const cells = cellsOf(values, wholeText);
  const names = shortNames([...new Set(cells.map(({ kind }) => kind))]);
  const blocks = [...new Set(cells.map(({ block }) => block))].sort((a, b) => a.order - b.order);
  const columns = [...new Set(blocks.map(({ label }) => label))];
  const marginLeft = 14 + 6.6 * Math.max(...[...names.values()].map(({ length }) => length));
  const cellWidth = Math.max(12, Math.min(72, (1060 - marginLeft) / columns.length));
  const width = Math.round(Math.max(marginLeft + cellWidth * columns.length + 4, 480));
  const right = width - marginLeft - cellWidth * columns.length;
  const shown = cells.map((cell) => ({
    ...cell,
    ...{ x: cell.block.label, y: names.get(cell.kind) ?? cell.kind, color: colorOf(steps, cell.value) },
  }));
  const hasRoom = cellWidth >= 27;
  return plotSvg(title, {
    ...{
      width,
      height: 84 + 24 * names.size,
      marginTop: 62,
      marginBottom: 22,
      marginLeft,
      marginRight: right,
    },
    x: { domain: columns, label: null, tickSize: 0, padding: 0, ...thinned(columns, cellWidth) },
    y: { domain: [...names.values()], label: null, tickSize: 0, padding: 0 },
    marks: [
      ...colors.map((color) =>
        Plot.cell(
          shown.filter((cell) => cell.color === color),
          { x: "x", y: "y", title: "text", className: `step-${color}`, inset: 0.5 },
        ),
      ),
      ...(hasRoom
        ? [true, false].map((low) =>
            Plot.text(
              shown.filter(({ color }) => color <= lastLow === low),
              {
                ...{ x: "x", y: "y", title: "text", className: low ? "on-low" : "on-high" },
                text: ({ value }: Cell) => text(value),
              },
            ),
          )
        : []),
      ...legendMarks(steps, legend, text),
    ],
  });
}

const colors = [0, 1, 2, 3, 4, 5, 6];
/** The last colour that bears the text of the first. */
const lastLow = 3;

interface Cell {
  readonly block: { readonly label: string; readonly order: number };
  readonly kind: string;
  readonly value: number;
  readonly text: string;
}

function cellsOf(values: readonly LinearValue[], wholeText: HeatMap["wholeText"]): readonly Cell[] {
  const groups = new Map<string, LinearValue[]>();
  for (const each of values) {
    const { block, kind } = linearPlace(each.name);
    const key = JSON.stringify([block, kind]);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].map((group) => {
    const most = group.reduce((a, b) => (b.value > a.value ? b : a));
    const { block, kind } = linearPlace(most.name);
    const among = group.length === 1 ? "" : `\nthe most of ${group.length} linears`;
    return {
      block: block === null ? outside : { label: String(block), order: block },
      kind,
      value: most.value,
      text: `${most.name}\n${wholeText(most.value)}${among}`,
    };
  });
}

/** Linears outside of blocks, such as the head, stand in a column behind them. */
const outside = { label: "–", order: Number.POSITIVE_INFINITY };

/** Labels of every second, fifth or tenth block where all would touch. */
function thinned(columns: readonly string[], cellWidth: number) {
  const every = [1, 2, 5, 10, 20].find((count) => count * cellWidth >= 20) ?? 50;
  return { ticks: columns.filter((label, at) => at % every === 0 || label === outside.label) };
}

/** The scale: a box a step, its bounds below it. */
function legendMarks(steps: Steps, legend: string, text: HeatMap["text"]) {
  const { bounds } = steps;
  const [wide, top] = [52, -40];
  const place = { frameAnchor: "top-left" } as const;
  return [
    Plot.text([legend], { ...place, dy: -58, text: (line: string) => line, className: "quiet" }),
    ...bounds.slice(0, -1).map((_, step) =>
      Plot.dot([step], {
        ...{
          ...place,
          symbol: legendBox,
          r: 1,
          fill: "currentColor",
          className: `step-${colorOfStep(steps, step)}`,
        },
        ...{ dx: step * wide, dy: top },
      }),
    ),
    ...bounds.map((bound, at) =>
      Plot.text([bound], {
        ...{ ...place, textAnchor: at === 0 ? "start" : "middle", className: "quiet" },
        ...{ dx: at * wide, dy: top + 14, text: () => text(bound) },
      }),
    ),
  ];
}

/** A box of 52 × 10 pixels from its place to the right, whatever its size. */
const legendBox = {
  draw(context: { rect(x: number, y: number, width: number, height: number): void }) {
    context.rect(0, -2, 52, 10);
  },
};
