import * as Plot from "@observablehq/plot";
import { labelPlaces } from "../picture.js";
import { type Chart, plotSvg } from "./chart.js";

/** Something measured of a model of some size. */
export interface BitsPoint {
  readonly name: string;
  /** What stands beside its dot: the name, or a number in a table. */
  readonly label: string;
  readonly bitsPerWeight: number;
  readonly value: number;
  /** Either side of the value; null where it is not known. */
  readonly standardError: number | null;
}

export interface BitsChart extends Omit<Chart, "svg"> {
  /** Of the values' axis. */
  readonly label: string;
  readonly points: readonly BitsPoint[];
  /** The float model's own; null where it has none. */
  readonly float: number | null;
  readonly logarithmic: boolean;
}

const [width, height] = [440, 280];
const margins = { marginTop: 24, marginRight: 24, marginBottom: 40, marginLeft: 60 };

/** Values over bits per weight, with names, standard errors and the float model's value as a line. */
export function bitsChart({ label, points, float, logarithmic, ...texts }: BitsChart): Chart {
  const x = domainOf(
    points.map(({ bitsPerWeight }) => bitsPerWeight),
    false,
  );
  const ends = points.flatMap(({ value, standardError }) => [
    value - (logarithmic ? 0 : (standardError ?? 0)),
    value + (standardError ?? 0),
  ]);
  const y = domainOf(float === null ? ends : [...ends, float], logarithmic);
  const withErrors = points.filter(({ standardError }) => standardError !== null);
  return {
    ...texts,
    svg: plotSvg(texts.title, {
      ...{ width, height, ...margins },
      x: { domain: x, label: "bits per weight", ticks: 6, grid: true },
      y: { domain: y, label, ticks: 5, grid: true, ...(logarithmic && { type: "log", tickFormat: "~g" }) },
      marks: [
        ...(float === null
          ? []
          : [
              Plot.ruleY([float], {
                className: "zero",
                strokeDasharray: "4 3",
                title: () => `checkpoint, float: ${float}`,
              }),
            ]),
        Plot.ruleX(withErrors, {
          ...{ x: "bitsPerWeight", className: "line-first", strokeWidth: 1.5 },
          y1: ({ value, standardError }: BitsPoint) => value - (standardError ?? 0),
          y2: ({ value, standardError }: BitsPoint) => value + (standardError ?? 0),
        }),
        Plot.dot(points, {
          ...{
            x: "bitsPerWeight",
            y: "value",
            r: 4.5,
            fill: "currentColor",
            className: "first",
            title: pointText,
          },
        }),
        ...names(points, x, y, logarithmic),
      ],
    }),
  };
}

function pointText({ name, bitsPerWeight, value, standardError }: BitsPoint): string {
  const error = standardError === null ? "" : ` ± ${standardError}`;
  return `${name}\n${bitsPerWeight} bits per weight\n${value}${error}`;
}

/** Room on both sides. */
function domainOf(values: readonly number[], logarithmic: boolean): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (logarithmic) return [low / 1.6, high * 1.6];
  const room = low === high ? Math.max(Math.abs(low) * 0.1, 0.01) : (high - low) * 0.18;
  return [low - room, high + room];
}

/** How far apart the places of a bar are that labels keep off, in pixels. */
const barStep = 10;

/** Each beside its dot, at the first place where it lies on nothing else. */
function names(
  points: readonly BitsPoint[],
  x: readonly [number, number],
  y: readonly [number, number],
  logarithmic: boolean,
) {
  const scale = logarithmic ? Math.log : (value: number) => value;
  const share = (value: number, [low, high]: readonly [number, number]) =>
    (scale(value) - scale(low)) / (scale(high) - scale(low));
  const across = (bits: number) =>
    margins.marginLeft + ((bits - x[0]) / (x[1] - x[0])) * (width - margins.marginLeft - margins.marginRight);
  const down = (value: number) =>
    height - margins.marginBottom - share(value, y) * (height - margins.marginTop - margins.marginBottom);
  const dots = points.map(({ label, bitsPerWeight, value }) => ({
    ...{ x: across(bitsPerWeight), y: down(value), text: label },
  }));
  const bars = points.flatMap(({ bitsPerWeight, value, standardError }) => {
    if (standardError === null) return [];
    const [top, bottom] = [down(value + standardError), down(value - standardError)];
    const count = Math.ceil((bottom - top) / barStep);
    return Array.from({ length: count }, (_, at) => ({
      x: across(bitsPerWeight),
      y: top + at * barStep,
      text: "",
    }));
  });
  const places = labelPlaces([...dots, ...bars]);
  return points.map((point, at) => {
    const [dx, dy] = places[at];
    return Plot.text([point], { x: "bitsPerWeight", y: "value", text: "label", dx, dy });
  });
}
