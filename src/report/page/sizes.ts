import * as Plot from "@observablehq/plot";
import type { ModelPart } from "../linear-place.js";
import type { PartSize } from "../part-sizes.js";
import type { PackSummary } from "../summary.js";
import { bytesText } from "../text.js";
import { chart, plotSvg } from "./chart.js";
import { html } from "./html.js";
import { bits, bytes, count, percent } from "./number.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** What each part of the model holds and takes, and what each pack does. */
export function sizesSection(parts: readonly PartSize[], packs: readonly PackSummary[]): Section {
  const total = {
    weights: parts.reduce((sum, { weights }) => sum + weights, 0),
    bytes: parts.reduce((sum, each) => sum + each.bytes, 0),
  };
  return {
    id: "sizes",
    title: "Sizes",
    body: html`
${chart({
  id: "sizes-chart",
  title: "Where the weights are, and where the bytes",
  caption: `Shares of ${count(total.weights, "").text} weights and of ${bytesText(total.bytes)}; quantized linears as stored with their scales, all else as kept. The table has the numbers.`,
  svg: sharesSvg(parts, total),
})}
${dataTable({
  id: "sizes-table",
  caption: "The model by parts.",
  columns: [
    { title: "part" },
    { title: "weights", numeric: true },
    { title: "share of weights", numeric: true },
    { title: "bytes", numeric: true },
    { title: "share of bytes", numeric: true },
    { title: "bits per weight", numeric: true },
  ],
  rows: [...parts, { part: "whole model", ...total }].map(({ part, weights, bytes: size }) => [
    part,
    count(weights, "weights"),
    percent(weights / total.weights, "of all weights", 1),
    bytes(size),
    percent(size / total.bytes, "of all bytes", 1),
    bits((size * 8) / weights),
  ]),
})}
${
  packs.length > 0 &&
  dataTable({
    id: "packs-table",
    caption: "Packs: the bytes of their linears' tensors, over the weights of the quantized linears.",
    columns: [
      { title: "pack" },
      { title: "bytes", numeric: true },
      { title: "bits per weight", numeric: true },
    ],
    rows: packs.map((pack) => [pack.target, bytes(pack.bytes), bits(pack.bitsPerWeight)]),
  })
}`,
  };
}

const classes: Readonly<Record<ModelPart, string>> = {
  ...{ embedding: "fifth", head: "fourth", attention: "first", "feed-forward": "second" },
  ...{ norms: "third", other: "sixth" },
};

const [width, height] = [1060, 150];
const margins = { marginTop: 34, marginRight: 20, marginBottom: 22, marginLeft: 56 };

interface Segment {
  readonly part: ModelPart;
  readonly row: "weights" | "bytes";
  /** Shares of the row where it begins and ends. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

function sharesSvg(parts: readonly PartSize[], total: { readonly weights: number; readonly bytes: number }) {
  const segments = (["weights", "bytes"] as const).flatMap((row) => {
    let end = 0;
    return parts.map((part): Segment => {
      const from = end;
      end += part[row] / total[row];
      const unit = row === "bytes" ? "bytes" : "weights";
      const text = `${part.part}: ${part[row]} ${unit}, ${((100 * part[row]) / total[row]).toFixed(2)} %`;
      return { part: part.part, row, from, to: end, text };
    });
  });
  const wide = segments.filter(({ from, to, part }) => (to - from) * (width - 76) > part.length * 7 + 44);
  return plotSvg("Shares of weights and bytes by part of the model", {
    ...{ width, height, ...margins },
    x: {
      domain: [0, 1],
      label: null,
      tickFormat: (share: number) => `${Math.round(100 * share)} %`,
      ticks: 5,
    },
    y: { domain: ["weights", "bytes"], label: null, tickSize: 0, padding: 0.12 },
    marks: [
      ...parts.map(({ part }) =>
        Plot.barX(
          segments.filter((segment) => segment.part === part),
          {
            x1: "from",
            x2: "to",
            y: "row",
            title: "text",
            className: classes[part],
            insetLeft: 0.5,
            insetRight: 0.5,
          },
        ),
      ),
      Plot.text(wide, {
        ...{ x: (each: Segment) => (each.from + each.to) / 2, y: "row", className: "on-mark", fontSize: 12 },
        text: ({ part, from, to }: Segment) => `${part}  ${(100 * (to - from)).toFixed(1)} %`,
      }),
      ...legend(parts),
    ],
  });
}

/** Squares with names above the bars. */
function legend(parts: readonly PartSize[]) {
  let left = 0;
  return parts.flatMap(({ part }) => {
    const dx = left;
    left += 34 + part.length * 7;
    const place = { frameAnchor: "top-left", dy: -22 } as const;
    return [
      Plot.dot([part], {
        ...place,
        dx: dx + 5,
        symbol: "square",
        r: 5,
        fill: "currentColor",
        className: classes[part],
      }),
      Plot.text([part], { ...place, dy: -27, dx: dx + 15, text: (name: string) => name, fontSize: 12 }),
    ];
  });
}
