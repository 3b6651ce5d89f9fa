import { oddText } from "../src/report/markdown.js";
import { type Measure, type Measured, measuresOf } from "../src/report/measures.js";
import { changeText, conventionText, dataText, scoreText } from "../src/report/score-text.js";
import type { RunSummary, Score } from "../src/report/summary.js";
import { bytesText, countText, secondsText } from "../src/report/text.js";
import { facts, table, title } from "./output.js";

/** A run at a glance. */
export function summaryText(summary: RunSummary): string {
  const { linears, packs, scores, stages } = summary;
  const errors = linears.map(({ relativeError }) => relativeError);
  const worst = linears.find(({ relativeError }) => relativeError === Math.max(...errors));
  const seconds =
    stages.reduce((sum, stage) => sum + stage.seconds, 0) +
    scores.reduce((sum, score) => sum + score.seconds, 0);
  const memory = Math.max(
    ...stages.map((stage) => stage.peakMemoryBytes),
    process.resourceUsage().maxRSS * 1024,
  );
  return [
    title(`${summary.recipe} on ${summary.model}`),
    facts([
      [
        "linears",
        `${linears.length} quantized, ${countText(summary.quantizedWeights)} weights, ${schemesText(summary)}`,
      ],
      [
        "quantized",
        `${bytesText(summary.quantizedBytes)}, ${summary.quantizedBitsPerWeight.toFixed(2)} bits per weight`,
      ],
      ...packs.map(
        (pack) =>
          [
            `pack ${pack.target}`,
            `${bytesText(pack.bytes)}, ${pack.bitsPerWeight.toFixed(2)} bits per weight`,
          ] as const,
      ),
      ...(worst
        ? [
            [
              "relative error",
              `mean ${mean(errors).toFixed(4)}, worst ${worst.relativeError.toFixed(4)} (${worst.name})`,
            ] as const,
          ]
        : []),
      ...oddText(summary).map((text) => ["look at", text] as const),
      ...summary.notes.map((note) => ["note", note] as const),
      ["time", secondsText(seconds)],
      ["peak memory", bytesText(memory)],
      ["run", summary.run],
    ]),
    ...(scores.length > 0 ? ["", scoresText(scores)] : []),
  ].join("\n");
}

/** A table of each metric of each task: what stands in one may be compared. */
export function scoresText(scores: readonly Score[]): string {
  return measuresOf(scores).map(measureText).join("\n\n");
}

function measureText(measure: Measure): string {
  const { task, metric, limited } = measure;
  const isCompared = measure.of.some(({ change }) => change !== null);
  const columns: readonly (readonly [string, (each: Measured) => string])[] = [
    [`${task === "perplexity" ? "" : `${task}, `}${metric}${limited ? " †" : ""}`, ({ subject }) => subject],
    ["value", ({ value }) => scoreText(value, metric)],
    ["±", ({ standardError }) => (standardError === null ? "" : scoreText(standardError, metric))],
    ...(isCompared ? comparisonColumns : []),
    ["time", ({ seconds }) => secondsText(seconds)],
  ];
  return [
    table(
      columns.map(([head]) => head),
      measure.of.map((each) => columns.map(([, cell]) => cell(each))),
    ),
    `${dataText(measure)}: ${conventionText(measure)}`,
  ].join("\n");
}

const comparisonColumns: readonly (readonly [string, (each: Measured) => string])[] = [
  ["to float", ({ change }) => (change ? changeText(change.kind, change.value) : "")],
  [
    "95 %",
    ({ change }) =>
      change?.interval ? change.interval.map((end) => changeText(change.kind, end)).join(" … ") : "",
  ],
  ["same answers", ({ agreement }) => (agreement === null ? "" : `${(100 * agreement).toFixed(1)} %`)],
  ["KL, nats", ({ divergence }) => (divergence === null ? "" : divergence.toPrecision(3))],
];

function schemesText({ linears }: RunSummary): string {
  const counts = new Map<string, number>();
  for (const { scheme } of linears) counts.set(scheme, (counts.get(scheme) ?? 0) + 1);
  const kinds = [...counts].map(([scheme, count]) => (counts.size === 1 ? scheme : `${count} × ${scheme}`));
  return kinds.join("; ") || "none";
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
