import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Estimate, KindCost, Phase } from "../pipeline/estimate-linears.js";

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
    style: { background: "transparent" },
    x: {
      type: "log",
      domain: frame.x,
      label: "operations a byte of off-chip memory →",
      grid: true,
      ticks: 5,
    },
    y: { type: "log", domain: frame.y, label: "↑ operations a second", grid: true, ticks: 5 },
    marks: [
      title(`${estimate.model}: linears of ${estimate.target} on ${estimate.device.name}`, -36, 15, "bold"),
      title(`● prompt of ${tokensOf(estimate.prefill)}     ◆ one token`, -18, 12, "normal"),
      Plot.line(slope(frame, bandwidth, roofs), { x: "x", y: "y", stroke: "var(--roof)", strokeWidth: 1.5 }),
      Plot.text([lowest(frame, bandwidth)], {
        x: "x",
        y: "y",
        text: () => `${siText(bandwidth)}B/s off-chip`,
        ...roofLabel,
      }),
      ...roofs.flatMap((roof) => level(frame, bandwidth, roof)),
      Plot.dot(points, {
        x: "x",
        y: "y",
        r: 5,
        symbol: ({ phase }: Point) => (phase === "prefill" ? "circle" : "diamond"),
        fill: ({ phase }: Point) => `var(--${phase})`,
        stroke: "var(--paper)",
      }),
      ...labels(points, frame),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.querySelector("style")?.remove();
  const style = document.createElement("style");
  style.textContent = styles;
  const summary = document.createElement("title");
  summary.textContent = summaryOf(estimate);
  svg.prepend(summary, style);
  return `${svg.outerHTML}\n`;
}

const styles = `
.roofline { --ink: #1f2328; --paper: #ffffff; --roof: #57606a; --prefill: #0b62c4; --decode: #bc4c00;
  color: var(--ink); background: var(--paper); font: 11px system-ui, sans-serif; max-width: 100%; height: auto; }
.roofline text { white-space: pre; }
@media (prefers-color-scheme: dark) {
  .roofline { --ink: #e6edf3; --paper: #0d1117; --roof: #9aa4ae; --prefill: #6cb6ff; --decode: #f69d50; }
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
    for (const { kind, operations, offChipBytes, seconds } of found.kinds) {
      const [x, y] = [operations / offChipBytes, operations / seconds];
      const at = points.findIndex((each) => each.phase === phase && near(each.x, x) && near(each.y, y));
      if (at < 0) points.push({ phase, kinds: [kind], x, y });
      else points[at] = { ...points[at], kinds: [...points[at].kinds, kind] };
    }
  }
  return points;
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

const roofLabel = { textAnchor: "start", dx: 8, dy: 4, fill: "var(--roof)" } as const;

function level({ x }: Frame, bandwidth: number, { scheme, rate }: Roof) {
  const ends = [Math.min(rate / bandwidth, x[1]), x[1]].map((at) => ({ x: at, y: rate }));
  return [
    Plot.line(ends, { x: "x", y: "y", stroke: "var(--roof)", strokeWidth: 1.5 }),
    Plot.text([ends[1]], {
      x: "x",
      y: "y",
      text: () => `${siText(rate)}op/s, ${scheme}`,
      textAnchor: "end",
      dy: -8,
      fill: "var(--roof)",
    }),
  ];
}

/** Beside their dots, moved down where one would lie on another. */
function labels(points: readonly Point[], frame: Frame) {
  const [along, up] = [logScale(frame.x, width), logScale(frame.y, height)];
  const placed: { left: number; top: number; width: number }[] = [];
  return [...points]
    .sort((a, b) => b.y - a.y)
    .map((point) => {
      const text = point.kinds.join(", ");
      const size = text.length * 6.2;
      const onRight = along(point.x) + size < width - 110;
      const left = along(point.x) + (onRight ? 10 : -10 - size);
      const natural = -up(point.y);
      const below = placed.filter((each) => left < each.left + each.width && each.left < left + size);
      const top = below.reduce((at, each) => (Math.abs(at - each.top) < 13 ? each.top + 13 : at), natural);
      placed.push({ left, top, width: size });
      return Plot.text([point], {
        x: "x",
        y: "y",
        text: () => text,
        textAnchor: onRight ? "start" : "end",
        dx: onRight ? 10 : -10,
        dy: top - natural,
        fill: `var(--${point.phase})`,
      });
    });
}

function logScale([low, high]: readonly [number, number], pixels: number): (value: number) => number {
  return (value) => (pixels * Math.log(value / low)) / Math.log(high / low);
}

function title(text: string, dy: number, fontSize: number, fontWeight: string) {
  return Plot.text([text], { frameAnchor: "top-left", text: (line) => line, dy, fontSize, fontWeight });
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
