import path from "node:path";
import { Command } from "commander";
import { LuthierError } from "../../src/error.js";
import { independentOf, type Part, partText, sequenceOf, shareOf } from "../../src/pipeline/part.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { predictRun } from "../../src/pipeline/predict.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { type PartResult, quantizePart } from "../../src/pipeline/quantize-part.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { bytesText } from "../../src/report/text.js";
import { describeActivation } from "../../src/schemes/activation.js";
import { bitsPerWeight, describeWeight, storedBytes } from "../../src/schemes/weights.js";
import { type CommonOptions, localFolder, openTools, partOption, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";
import { bytesOf, predictionText } from "../prediction-text.js";
import { scoreAndReport } from "../score-and-report.js";
import { summaryText } from "../summary-text.js";

interface Options extends CommonOptions {
  readonly recipe: string;
  readonly out?: string;
  readonly calibration?: string;
  readonly fresh?: true;
  readonly dryRun?: true;
  readonly part?: Part;
  readonly memory?: number;
}

export function quantizeCommand(): Command {
  return withCommonOptions(new Command("quantize"))
    .description("run a recipe: quantize, pack for its targets, score; resumes by itself")
    .argument("<model>", "a checkpoint's folder, or a hub id: org/name or org/name@revision")
    .requiredOption("--recipe <name|file>", "a shipped recipe (`luthier recipes`) or a YAML file")
    .option("--out <dir>", "the run's folder (default: runs/<model>-<recipe>)")
    .option("--calibration <file>", "a text to calibrate on, in the place of the recipe's")
    .option("--fresh", "delete an earlier run in that folder first")
    .option(
      "--part <i/n>",
      "make only the ith of n shares of the linears; `luthier merge` makes the rest",
      partOption,
    )
    .option("--dry-run", "show what would be done to each linear and what it would take, and do nothing")
    .option(
      "--memory <size>",
      "keep within so much memory (8GiB, 900MiB, bytes): activations beyond it go to files of the run",
      bytesOf,
    )
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const named = await loadRecipe(options.recipe);
      const recipe = options.calibration ? calibratedOn(named, options.calibration) : named;
      const checkpoint = await localFolder(model, onProgress);
      if (options.dryRun) {
        const { prediction, ...plan } = await predictRun(checkpoint, recipe, kernels);
        const shown = options.part ? { ...plan, linears: shareOf(plan, options.part) } : plan;
        const result = { ...shown, ...inParts(plan), prediction };
        printResult(options.json ?? false, result, () => `${planText(shown)}\n${predictionText(prediction)}`);
        return;
      }
      const out = options.out ?? defaultOut(model, options.recipe);
      const given = { model: checkpoint, recipe, out, kernels, onProgress };
      if (options.part) {
        if (options.fresh) throw freshParts(out);
        if (options.memory) throw limitedParts();
        const made = await quantizePart({ ...given, part: options.part });
        printResult(options.json ?? false, made, () => partDone(made));
        return;
      }
      await quantize({ ...given, fresh: options.fresh, memoryBytes: options.memory });
      const summary = await scoreAndReport(given);
      printResult(options.json ?? false, summary, () => summaryText(summary));
    });
}

const examples = `
Examples:
  luthier quantize models/tiny --recipe trit-planes-g128 --out runs/tiny
  luthier quantize Qwen/Qwen3-0.6B --recipe my-recipe.yaml --out runs/qwen3
  luthier quantize models/tiny --recipe lut-llm-w2a3-int8 --calibration calibration/sampled-from-tiny.txt
  luthier quantize models/tiny --recipe rtn-int4-g128 --dry-run

On several machines with one file system (docs/cluster.md):
  luthier quantize Qwen/Qwen3-32B --recipe hqq-int4-g64 --out runs/qwen3 --part 3/8    # 1/8 to 8/8, in any order
  luthier merge runs/qwen3                                                             # when all are done`;

function limitedParts(): LuthierError {
  return new LuthierError("--memory is kept by whole runs, not by parts", "leave --memory out, or --part", {
    usage: true,
  });
}

function freshParts(out: string): LuthierError {
  return new LuthierError(
    "--fresh would delete what other parts have made",
    `delete ${out} yourself before the first part, or choose another folder`,
    { usage: true },
  );
}

function partDone({ run, part, linears, independent, inSequence }: PartResult): string {
  return [
    `part ${partText(part)}: ${linears.length} of ${independent} linears are made`,
    ...(inSequence > 0 ? [`${inSequence} more are made in sequence, by the process that merges`] : []),
    `when all ${part.count} parts are done: luthier merge ${run}`,
  ].join("\n");
}

/** Which linears any part can make, and which one process makes. */
function inParts(plan: Plan) {
  const sequential = plan.linears.filter((each) => sequenceOf(each, plan) !== null);
  return {
    independent: independentOf(plan).map(({ linear }) => linear.name),
    inSequence: sequential.map(({ linear }) => linear.name),
  };
}

function defaultOut(model: string, recipe: string): string {
  const name = (text: string) => path.basename(text).replace(/\.ya?ml$/, "");
  return path.join("runs", `${name(path.resolve(model))}-${name(recipe)}`);
}

function planText(plan: Plan): string {
  const { transforms, linears, targets, notes } = plan;
  const rows = linears.map((each) => {
    const { linear, rule, quantize: made } = each;
    return [
      linear.name,
      `${linear.rows} × ${linear.columns}`,
      rule,
      made ? describeWeight(made.weight) : "float",
      made ? `${describeActivation(made.activation)}${made.rotation ? ", rotated" : ""}` : "",
      made ? bitsPerWeight(made.weight).toFixed(2) : "",
      made ? bytesText(storedBytes(made.weight)) : "",
      made ? (sequenceOf(each, plan) === null ? "any part" : "in sequence") : "",
    ];
  });
  const quantized = linears.flatMap(({ quantize: made }) => (made ? made.weight : []));
  const bytes = quantized.reduce((sum, weight) => sum + storedBytes(weight), 0);
  const names = targets.map(({ target }) => target).join(", ") || "none";
  const first = transforms.map(({ transform }) => `, after ${transform}`).join("");
  return [
    table(["linear", "outputs × inputs", "rule", "scheme", "input", "bits/weight", "bytes", "made by"], rows),
    `\n${quantized.length} linears to quantize${first}, ${bytesText(bytes)}; ${linears.length - quantized.length} stay float; targets: ${names}`,
    partsText(plan),
    ...notes,
  ].join("\n");
}

/** How many linears can be made in parts, and why the others cannot. */
function partsText(plan: Plan): string {
  const sequences = plan.linears.flatMap((each) => sequenceOf(each, plan) ?? []);
  const many = (count: number, does: string) => `${count} ${count === 1 ? "linear" : "linears"} ${does}`;
  return [
    many(independentOf(plan).length, "can be made in parts (--part)"),
    ...[...new Set(sequences)].map((why) =>
      many(sequences.filter((each) => each === why).length, `in sequence, by one process: ${why}`),
    ),
  ].join("; ");
}
