import { Command } from "commander";
import { writeAtomically } from "../../src/checkpoint/atomic.js";
import { type ComparedScores, type Comparison, compareRuns } from "../../src/report/comparison.js";
import type { Measured } from "../../src/report/measures.js";
import { recipeName } from "../../src/report/names.js";
import { comparisonPage } from "../../src/report/page/comparison-page.js";
import { changeText, conventionText, dataText, valueText } from "../../src/report/score-text.js";
import { bytesText, countText } from "../../src/report/text.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { printResult, table, title } from "../output.js";

interface Options extends CommonOptions {
  readonly html?: string;
}

export function compareCommand(): Command {
  return withCommonOptions(new Command("compare"))
    .description("runs side by side: scores, bits, bytes, cost")
    .argument("<run...>", "the folders of two runs or more")
    .option("--html <file>", "write a page with the same, and scores over bits")
    .addHelpText("after", examples)
    .action(async (runs: string[], options: Options) => {
      const comparison = await compareRuns(runs);
      if (options.html) await writeAtomically(options.html, [Buffer.from(comparisonPage(comparison))]);
      printResult(options.json ?? false, comparison, () => text(comparison));
    });
}

const examples = `
Scores are those of each run's report. What they are compared on is the same text or data, context, shots and examples; what
differs in any of these stands in a table of its own.

Examples:
  luthier compare runs/rtn runs/gptq
  luthier compare runs/* --html comparison.html`;

function text(comparison: Comparison): string {
  return [
    sizesText(comparison),
    ...comparison.scores.flatMap((measure) => ["", scoresText(measure, comparison)]),
    ...comparison.notes.map((note) => `\n· ${note}`),
  ].join("\n");
}

function sizesText({ runs }: Comparison): string {
  return table(
    ["run", "recipe", "bits/weight", "stored", "packs", "relative error", "cost of a token"],
    runs.map(({ name, summary, meanRelativeError, costs }) => [
      name,
      recipeName(summary.recipe),
      summary.quantizedBitsPerWeight.toFixed(2),
      bytesText(summary.quantizedBytes),
      summary.packs
        .map((pack) => `${pack.target} ${pack.bitsPerWeight.toFixed(2)} bits, ${bytesText(pack.bytes)}`)
        .join("; "),
      meanRelativeError === null ? "" : meanRelativeError.toFixed(4),
      costs
        .map(({ device, cyclesPerToken }) => `${countText(Math.round(cyclesPerToken))} cycles (${device})`)
        .join("; "),
    ]),
  );
}

function scoresText(measure: ComparedScores, { runs }: Comparison): string {
  const { task, metric, higherIsBetter, rows } = measure;
  return [
    title(`${task}: ${metric}, ${higherIsBetter ? "higher" : "lower"} is better`),
    table(
      ["run", ...rows.map(({ of }) => of)],
      runs.map(({ name }, run) => [name, ...rows.map(({ scores }) => scoreOf(measure, scores[run]))]),
    ),
    `${dataText(measure)}: ${conventionText(measure)}`,
  ].join("\n");
}

/** `0.8074 ± 0.0132 † (−0.0057)`. */
function scoreOf(measure: ComparedScores, score: Measured | null): string {
  if (score === null) return "";
  const { change } = score;
  const from = change === null ? "" : ` (${changeText(change.kind, change.value)})`;
  return `${valueText(measure, score)}${from}`;
}
