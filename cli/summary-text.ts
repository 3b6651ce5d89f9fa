import { oddText } from "../src/report/markdown.js";
import { scoreSubject } from "../src/report/score-text.js";
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
    ...(scores.length > 0 ? ["", scoresText(summary)] : []),
  ].join("\n");
}

/** A table for each text: perplexities of different texts do not compare. */
function scoresText({ scores }: RunSummary): string {
  const texts = new Map<string, Score[]>();
  for (const score of scores) {
    const key = JSON.stringify([score.text, score.context]);
    texts.set(key, [...(texts.get(key) ?? []), score]);
  }
  return [...texts.values()].map(scoresOfText).join("\n\n");
}

function scoresOfText(scores: readonly Score[]): string {
  const baseline = scores.find(({ of }) => of === "checkpoint")?.perplexity;
  const [{ text, context, stride, predictions }] = scores;
  const rows = scores.map((score) => [
    scoreSubject(score),
    score.perplexity.toFixed(3),
    baseline ? `${(score.perplexity / baseline).toFixed(4)} ×` : "",
    secondsText(score.seconds),
  ]);
  return [
    table(["perplexity of", "value", "to float", "time"], rows),
    `${text.name}${text.split ? ` (${text.split})` : ""}: context ${context}, stride ${stride}, ${predictions} predictions`,
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
