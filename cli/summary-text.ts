import { oddText } from "../src/report/markdown.js";
import { type Measure, measuresOf } from "../src/report/measures.js";
import type { Score } from "../src/report/score.js";
import { changeText, conventionText, dataText, intervalText, valueText } from "../src/report/score-text.js";
import type { RunSummary } from "../src/report/summary.js";
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

/** A table for each metric of a task on its data: others do not compare. */
export function scoresText(scores: readonly Score[]): string {
  return measuresOf(scores)
    .filter(({ derived }) => !derived)
    .map(measureText)
    .join("\n\n");
}

function measureText(measure: Measure): string {
  const { task, metric, of } = measure;
  const rows = of.map((measured) => [
    measured.subject,
    valueText(measure, measured),
    measured.change ? changeText(measured.change.kind, measured.change.value) : "",
    intervalText(measured.change),
    measured.agreement === null ? "" : `${(100 * measured.agreement).toFixed(1)} %`,
    measured.divergence === null ? "" : measured.divergence.toPrecision(3),
    secondsText(measured.seconds),
  ]);
  const name = task === "perplexity" ? "perplexity" : `${task} ${metric}`;
  return [
    table([`${name} of`, "value", "to float", "95 % interval", "same answers", "KL, nats", "time"], rows),
    `${dataText(measure)}: ${conventionText(measure)}`,
  ].join("\n");
}

function schemesText({ linears }: RunSummary): string {
  const counts = new Map<string, number>();
  for (const { scheme } of linears) counts.set(scheme, (counts.get(scheme) ?? 0) + 1);
  const kinds = [...counts].map(([scheme, count]) => (counts.size === 1 ? scheme : `${count} × ${scheme}`));
  return kinds.join("; ") || "none";
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
