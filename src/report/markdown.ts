import { measuresOf } from "./measures.js";
import { provenanceRows } from "./provenance.js";
import type { Score } from "./score.js";
import { changeText, conventionText, dataText, intervalText, valueText } from "./score-text.js";
import { oddLinears, type RunSummary } from "./summary.js";
import { bytesText, countText } from "./text.js";

/** `reports/report.md`: what the run is, its sizes, its scores and every linear. */
export function reportMarkdown(summary: RunSummary): string {
  const { linears, packs, scores, stages } = summary;
  return `${[
    `# ${summary.recipe} on ${summary.model}`,
    ...summary.notes,
    table(
      ["what", "bytes", "bits per weight"],
      [
        [
          `${linears.length} quantized linears, ${countText(summary.quantizedWeights)} weights`,
          bytesText(summary.quantizedBytes),
          summary.quantizedBitsPerWeight.toFixed(2),
        ],
        ...packs.map((pack) => [
          `pack for ${pack.target}`,
          bytesText(pack.bytes),
          pack.bitsPerWeight.toFixed(2),
        ]),
      ],
    ),
    ...(scores.length > 0 ? ["## Scores", scoreTable(scores)] : []),
    "## Linears",
    table(
      ["linear", "outputs × inputs", "scheme", "bytes", "relative error"],
      linears.map((each) => [
        each.name,
        each.shape.join(" × "),
        each.scheme,
        bytesText(each.bytes),
        each.relativeError.toFixed(4),
      ]),
    ),
    ...oddText(summary),
    ...coverageText(summary),
    "## Stages",
    table(
      ["stage", "seconds", "peak memory of the process so far"],
      stages.map((stage) => [stage.name, stage.seconds.toFixed(2), bytesText(stage.peakMemoryBytes)]),
    ),
    "## Made from",
    table(["what", "sha256 or version"], provenanceRows(summary.provenance)),
  ].join("\n\n")}\n`;
}

const oddities = {
  unchanged: "unchanged (relative error 0)",
  zeros: "quantized to zeros",
} as const;

/** How much of the calibration text experts were fitted to, and which of their linears to none. */
export function coverageText({ linears }: Pick<RunSummary, "linears">): readonly string[] {
  const experts = linears.filter((each) => each.tokens !== null);
  if (experts.length === 0) return [];
  const tokens = experts.map((each) => each.tokens ?? 0).sort((a, b) => a - b);
  const [least, median, most] = [tokens[0], tokens[tokens.length >> 1], tokens[tokens.length - 1]];
  const missed = experts.filter((each) => each.tokens === 0).map(({ name }) => name);
  return [
    `${experts.length} linears of experts were fitted to ${least} to ${most} tokens of the calibration text, half of them to ` +
      `${median} or more`,
    ...(missed.length === 0
      ? []
      : [`reached by none, and fitted to inputs that are all alike: ${missed.join(", ")}`]),
  ];
}

/** Linears that a method may have missed, by name; right where weights were on its levels already, or meant to vanish. */
export function oddText(summary: Pick<RunSummary, "linears">): readonly string[] {
  return (["unchanged", "zeros"] as const).flatMap((oddity) => {
    const names = oddLinears(summary, oddity);
    if (names.length === 0) return [];
    const what = names.length === 1 ? "1 linear" : `${names.length} linears`;
    return [`${what} ${oddities[oddity]}: ${names.join(", ")}`];
  });
}

/** Limited ones are marked, here as everywhere. */
function scoreTable(scores: readonly Score[]): string {
  return table(
    ["task", "metric", "what", "value", "change from float", "95 % interval", "data", "convention"],
    measuresOf(scores).flatMap((measure) =>
      measure.of.map((measured) => [
        measure.task,
        measure.metric,
        measured.subject,
        valueText(measure, measured),
        measured.change ? changeText(measured.change.kind, measured.change.value) : "",
        intervalText(measured.change),
        dataText(measure),
        conventionText(measure),
      ]),
    ),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
