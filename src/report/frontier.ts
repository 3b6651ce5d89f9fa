import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Compared } from "../search/compare.js";
import type { SearchResult } from "../search/search.js";
import { heading, labelPlaces, svgFile } from "./picture.js";

/*
 * What a search chose from: divergence from the float model, logarithmic, over bits a weight. The line is predicted, each
 * dot is measured.
 */

const width = 1000;
const height = 460;
/** Names stand to the right, where nothing is drawn. */
const margins = { marginTop: 52, marginRight: 300, marginBottom: 48, marginLeft: 64 };
const lineHeight = 17;

/** An SVG file: no script, no font and no address outside of it; light and dark by the reader's setting. */
export function frontierSvg(result: SearchResult): string {
  const dots = dotsOf(result);
  const frame = frameOf(dots);
  const best = result.frontier
    .map(({ bitsPerWeight, loss }) => ({ x: bitsPerWeight, y: loss }))
    .filter(({ x, y }) => x <= frame.x[1] && y >= frame.y[0] && y <= frame.y[1]);
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({
    document,
    className: "frontier",
    width,
    height,
    ...margins,
    x: { domain: frame.x, label: "bits per weight, scales included →", grid: true, ticks: 8 },
    y: {
      type: "log",
      domain: frame.y,
      label: "↑ divergence, nats a token",
      grid: true,
      ticks: 5,
      tickFormat: String,
    },
    marks: [
      heading(`${result.model}: divergence from the float model`, -36, 15, "bold"),
      heading("━ best predicted  ·  ◆ found  ·  ● one candidate for all  ·  ■ compared", -18, 12, "normal"),
      Plot.line(best, { x: "x", y: "y", className: "best", strokeWidth: 1.5 }),
      ...(["uniform", "compared", "found"] as const).map((kind) =>
        Plot.dot(
          dots.filter((dot) => dot.kind === kind),
          { x: "x", y: "y", r: 5, symbol: symbols[kind], fill: "currentColor", className: kind },
        ),
      ),
      ...numbers(dots, frame),
      ...names(dots),
    ],
  });
  return svgFile(document, svg, styles, summaryOf(result));
}

const symbols = { found: "diamond2", uniform: "circle", compared: "square" } as const;

const styles = `
.frontier { color: #1f2328; background: #ffffff; max-width: 100%; height: auto; }
.frontier text { white-space: pre; }
.frontier .best { stroke: #57606a; }
.frontier .uniform { fill: #0b62c4; }
.frontier .compared { fill: #6e40c9; }
.frontier .found { fill: #bc4c00; }
@media screen and (prefers-color-scheme: dark) {
  .frontier { color: #e6edf3; background: #0d1117; }
  .frontier .best { stroke: #9aa4ae; }
  .frontier .uniform { fill: #6cb6ff; }
  .frontier .compared { fill: #bc8cff; }
  .frontier .found { fill: #f69d50; }
}
`;

/** Something measured. */
interface Dot {
  readonly kind: keyof typeof symbols;
  readonly name: string;
  /** Bits a weight. */
  readonly x: number;
  /** Nats a token. */
  readonly y: number;
}

/** By rising bits; those whose divergence is 0 have no place on a logarithmic scale. */
function dotsOf({ found, uniform, compared }: SearchResult): readonly Dot[] {
  const dot = (
    kind: Dot["kind"],
    name: string,
    { bitsPerWeight: x, divergence: y }: Pick<Compared, "bitsPerWeight" | "divergence">,
  ) => {
    return { kind, name, x, y };
  };
  return [
    dot("found", "found", found),
    ...uniform.map((each) => dot("uniform", each.candidate.name, each)),
    ...compared.map((each) => dot("compared", each.name, each)),
  ]
    .filter(({ y }) => y > 0)
    .sort((a, b) => a.x - b.x);
}

interface Frame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Room for every dot and its number. */
function frameOf(dots: readonly Dot[]): Frame {
  const [xs, ys] = [dots.map(({ x }) => x), dots.map(({ y }) => y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const room = Math.max(0.1 * (right - left), 0.25);
  return { x: [Math.max(0, left - room), right + room], y: [Math.min(...ys) / 2, Math.max(...ys) * 2] };
}

/** Beside each dot its place in the list of names. */
function numbers(dots: readonly Dot[], { x: [left, right], y: [low, high] }: Frame) {
  const across = width - margins.marginLeft - margins.marginRight;
  const down = height - margins.marginTop - margins.marginBottom;
  const labelled = dots.map(({ x, y }, at) => ({
    x: margins.marginLeft + (across * (x - left)) / (right - left),
    y: margins.marginTop + (down * Math.log(high / y)) / Math.log(high / low),
    text: String(at + 1),
  }));
  const places = labelPlaces(labelled);
  return dots.map((dot, at) => {
    const [dx, dy] = places[at];
    return Plot.text([dot], { x: "x", y: "y", text: () => labelled[at].text, dx, dy, className: dot.kind });
  });
}

function names(dots: readonly Dot[]) {
  return dots.map(({ kind, name }, at) =>
    Plot.text([`${at + 1}  ${name}`], {
      ...{ frameAnchor: "top-right", textAnchor: "start", text: (line: string) => line, className: kind },
      ...{ dx: 16, dy: at * lineHeight },
    }),
  );
}

function summaryOf({ model, found }: SearchResult): string {
  const { bitsPerWeight, divergence } = found;
  return `Divergence of ${model} over bits per weight; found: ${divergence.toPrecision(3)} nats a token at ${bitsPerWeight.toFixed(2)} bits`;
}
