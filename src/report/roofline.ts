import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Estimate, KindCost, Phase } from "../pipeline/estimate-linears.js";
import { heading, labelPlaces, svgFile } from "./picture.js";

/*
 * A roofline: operations a second over operations a byte of off-chip memory, both logarithmic. A linear under the
 * slope waits for weights, one under a level for the target's units.
 */

const width = 760;
const height = 460;
const margins = { marginTop: 52, marginRight: 24, marginBottom: 48, marginLeft: 64 };

/** An SVG file: no script, no font and no address outside of it; light and dark by the reader's setting. */
export function rooflineSvg(estimate: Estimate): string {
  const points = pointsOf(estimate);
  const roofs = roofsOf(estimate);
  const bandwidth = estimate.device.offChipBytesPerSecond.value;
  const frame = frameOf(points, roofs, bandwidth);
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({
    document,
    className: "roofline",
    width,
    height,
    ...margins,
    x: {
      type: "log",
      domain: frame.x,
      label: "operations a byte of off-chip memory →",
      grid: true,
      ticks: 5,
    },
    y: { type: "log", domain: frame.y, label: "↑ operations a second", grid: true, ticks: 5 },
    marks: [
      heading(`${estimate.model}: linears of ${estimate.target} on ${estimate.device.name}`, -36, 15, "bold"),
      heading(`● prompt of ${tokensOf(estimate.prefill)}  ·  ◆ one token`, -18, 12, "normal"),
      Plot.line(slope(frame, bandwidth, roofs), roofLine),
      Plot.text([lowest(frame, bandwidth)], {
        x: "x",
        y: "y",
        text: () => `${siText(bandwidth)}B/s off-chip`,
        ...roofLabel,
      }),
      ...levels(frame, bandwidth, roofs),
      ...(["prefill", "decode"] as const).map((phase) =>
        Plot.dot(
          points.filter((point) => point.phase === phase),
          {
            x: "x",
            y: "y",
            r: 5,
            symbol: symbols[phase],
            fill: "currentColor",
            className: phase,
            title: pointText,
          },
        ),
      ),
      ...labels(points, frame),
    ],
  });
  return svgFile(document, svg, styles, summaryOf(estimate));
}

const symbols = { prefill: "circle", decode: "diamond" } as const;

const styles = `
.roofline { color: #1f2328; background: #ffffff; max-width: 100%; height: auto; }
.roofline text { white-space: pre; }
.roofline .roof { stroke: #57606a; }
.roofline .roof-label { fill: #57606a; }
.roofline .prefill { fill: #0b62c4; }
.roofline .decode { fill: #bc4c00; }
@media screen and (prefers-color-scheme: dark) {
  .roofline { color: #e6edf3; background: #0d1117; }
  .roofline .roof { stroke: #9aa4ae; }
  .roofline .roof-label { fill: #9aa4ae; }
  .roofline .prefill { fill: #6cb6ff; }
  .roofline .decode { fill: #f69d50; }
}
`;

/** The kinds of linears that lie at one place. */
interface Point {
  readonly phase: "prefill" | "decode";
  readonly kinds: readonly string[];
  /** Operations a byte. */
  readonly x: number;
  /** Operations a second. */
  readonly y: number;
}

function pointsOf({ prefill, decode }: Estimate): readonly Point[] {
  const points: Point[] = [];
  for (const [phase, found] of [["prefill", prefill] as const, ["decode", decode] as const]) {
    if ("refused" in found) continue;
    for (const { kind, operations, offChipBytes, seconds, unitRate } of found.kinds) {
      // Of a float linear only the reading is known, which decides for one token alone.
      if (unitRate === null && phase === "prefill") continue;
      const [x, y] = [operations / offChipBytes, operations / seconds];
      const at = points.findIndex((each) => each.phase === phase && near(each.x, x) && near(each.y, y));
      if (at < 0) points.push({ phase, kinds: [kind], x, y });
      else points[at] = { ...points[at], kinds: [...points[at].kinds, kind] };
    }
  }
  return points;
}

/** `q_proj, k_proj`, and where they lie in full. */
function pointText({ kinds, x, y }: Point): string {
  return `${kinds.join(", ")}\n${x} operations a byte\n${y} operations a second`;
}

/** Less than a dot apart. */
function near(a: number, b: number): boolean {
  return Math.abs(Math.log(a / b)) < 0.04;
}

/** What the units could do by themselves with one scheme. */
interface Roof {
  readonly scheme: string;
  readonly rate: number;
}

function roofsOf({ prefill, decode }: Estimate): readonly Roof[] {
  const rates = new Map<string, number>();
  for (const phase of [prefill, decode]) {
    for (const { scheme, unitRate } of kindsOf(phase)) {
      if (unitRate !== null) rates.set(scheme, Math.max(unitRate, rates.get(scheme) ?? 0));
    }
  }
  return [...rates].map(([scheme, rate]) => ({ scheme, rate }));
}

function kindsOf(phase: Estimate["prefill"]): readonly KindCost[] {
  return "refused" in phase ? [] : phase.kinds;
}

interface Frame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Room for every point, and for the corner where the slope meets the highest roof. */
function frameOf(points: readonly Point[], roofs: readonly Roof[], bandwidth: number): Frame {
  const highest = Math.max(...roofs.map(({ rate }) => rate), ...points.map(({ y }) => y));
  const xs = [...points.map(({ x }) => x), highest / bandwidth];
  const x = [Math.min(...xs) / 4, Math.max(...xs) * 4] as const;
  return { x, y: [Math.min(x[0] * bandwidth, ...points.map(({ y }) => y / 2)), highest * 3] };
}

function slope({ x }: Frame, bandwidth: number, roofs: readonly Roof[]) {
  const end = roofs.length > 0 ? Math.max(...roofs.map(({ rate }) => rate)) / bandwidth : x[1];
  return [x[0], end].map((at) => ({ x: at, y: at * bandwidth }));
}

function lowest({ x }: Frame, bandwidth: number) {
  const at = x[0] * 1.15;
  return { x: at, y: at * bandwidth };
}

const roofLine = { x: "x", y: "y", className: "roof", strokeWidth: 1.5 };
const roofLabel = { textAnchor: "start", dx: 8, dy: 4, className: "roof-label" } as const;

/** The lowest first: a label that would lie on the one before is put above it. */
function levels(frame: Frame, bandwidth: number, roofs: readonly Roof[]) {
  const down = logScale(frame.y, height - margins.marginBottom, margins.marginTop);
  let before = Number.POSITIVE_INFINITY;
  return [...roofs]
    .sort((a, b) => a.rate - b.rate)
    .flatMap((roof) => {
      const y = down(roof.rate);
      before = Math.min(y, before - labelHeight);
      return level(frame, bandwidth, roof, before - y);
    });
}

const labelHeight = 12;

function level({ x }: Frame, bandwidth: number, { scheme, rate }: Roof, dy: number) {
  const ends = [Math.min(rate / bandwidth, x[1]), x[1]].map((at) => ({ x: at, y: rate }));
  return [
    Plot.line(ends, roofLine),
    Plot.text([ends[0]], {
      x: "x",
      y: "y",
      text: () => `${siText(rate)}op/s, ${scheme}`,
      textAnchor: "end",
      dx: -6,
      dy,
      className: "roof-label",
    }),
  ];
}

/** Each beside its dot, at the first place where it lies on no dot and on no other label. */
function labels(points: readonly Point[], frame: Frame) {
  const across = logScale(frame.x, margins.marginLeft, width - margins.marginRight);
  const down = logScale(frame.y, height - margins.marginBottom, margins.marginTop);
  const texts = points.map(({ kinds }) => kinds.map((kind) => kind.replace(/_proj$|^lm_/, "")).join(", "));
  const places = labelPlaces(points.map(({ x, y }, at) => ({ x: across(x), y: down(y), text: texts[at] })));
  return points.map((point, at) => {
    const [dx, dy] = places[at];
    return Plot.text([point], { x: "x", y: "y", text: () => texts[at], dx, dy, className: point.phase });
  });
}

function logScale([low, high]: readonly [number, number], from: number, to: number) {
  return (value: number) => from + ((to - from) * Math.log(value / low)) / Math.log(high / low);
}

function tokensOf(phase: Phase | object): string {
  return "tokens" in phase ? `${phase.tokens} tokens` : "no estimate";
}

function summaryOf(estimate: Estimate): string {
  const bounds = [...new Set(kindsOf(estimate.decode).map(({ bound }) => bound))];
  return `Roofline of ${estimate.model} for ${estimate.target} on ${estimate.device.name}; decoding waits for: ${bounds.join(", ")}`;
}

/** `17.1 G`: three digits and the prefix of a unit. */
function siText(value: number): string {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  const power = Math.max(0, Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3)));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${prefixes[power]}`;
}
