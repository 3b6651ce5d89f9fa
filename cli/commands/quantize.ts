import path from "node:path";
import { Command } from "commander";
import { evaluateRun } from "../../src/pipeline/evaluate-recipe.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { planModel, quantize } from "../../src/pipeline/quantize.js";
import { withLock } from "../../src/pipeline/run-lock.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { scoresToKeep } from "../../src/report/report-file.js";
import { summarizeRun } from "../../src/report/summary.js";
import { bytesText } from "../../src/report/text.js";
import { writeReport } from "../../src/report/write.js";
import { describeActivation } from "../../src/schemes/activation.js";
import { bitsPerWeight, describeWeight, storedBytes } from "../../src/schemes/weights.js";
import { type CommonOptions, localFolder, openTools, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";
import { summaryText } from "../summary-text.js";

interface Options extends CommonOptions {
  readonly recipe: string;
  readonly out?: string;
  readonly calibration?: string;
  readonly fresh?: true;
  readonly dryRun?: true;
}

export function quantizeCommand(): Command {
  return withCommonOptions(new Command("quantize"))
    .description("run a recipe: quantize, pack for its targets, score; resumes by itself")
    .argument("<model>", "a checkpoint's folder, or a hub id: org/name or org/name@revision")
    .requiredOption("--recipe <name|file>", "a shipped recipe (`luthier recipes`) or a YAML file")
    .option("--out <dir>", "the run's folder (default: runs/<model>-<recipe>)")
    .option("--calibration <file>", "a text to calibrate on, in the place of the recipe's")
    .option("--fresh", "delete an earlier run in that folder first")
    .option("--dry-run", "show what would be done to each linear, and do nothing")
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const named = await loadRecipe(options.recipe);
      const recipe = options.calibration ? calibratedOn(named, options.calibration) : named;
      const checkpoint = await localFolder(model, onProgress);
      if (options.dryRun) {
        const plan = await planModel(checkpoint, recipe);
        printResult(options.json ?? false, plan, () => planText(plan));
        return;
      }
      const out = options.out ?? defaultOut(model, options.recipe);
      await quantize({ model: checkpoint, recipe, out, kernels, fresh: options.fresh, onProgress });
      const evaluations = recipe.recipe.evaluate;
      const summary = await withLock(out, async () => {
        const scores =
          evaluations.length > 0
            ? await evaluateRun({
                run: out,
                model: checkpoint,
                evaluations,
                folder: path.dirname(recipe.file),
                kernels,
                onProgress,
              })
            : await scoresToKeep(out);
        const found = await summarizeRun(out, scores);
        await writeReport(found);
        return found;
      });
      printResult(options.json ?? false, summary, () => summaryText(summary));
    });
}

const examples = `
Examples:
  luthier quantize models/tiny --recipe trit-planes-g128 --out runs/tiny
  luthier quantize Qwen/Qwen3-0.6B --recipe my-recipe.yaml --out runs/qwen3
  luthier quantize models/tiny --recipe lut-llm-w2a3-int8 --calibration calibration/sampled-from-tiny.txt
  luthier quantize models/tiny --recipe rtn-int4-g128 --dry-run`;

function defaultOut(model: string, recipe: string): string {
  const name = (text: string) => path.basename(text).replace(/\.ya?ml$/, "");
  return path.join("runs", `${name(path.resolve(model))}-${name(recipe)}`);
}

function planText({ transforms, linears, targets, notes }: Plan): string {
  const rows = linears.map(({ linear, rule, quantize: made }) => [
    linear.name,
    `${linear.rows} × ${linear.columns}`,
    rule,
    made ? describeWeight(made.weight) : "float",
    made ? `${describeActivation(made.activation)}${made.rotation ? ", rotated" : ""}` : "",
    made ? bitsPerWeight(made.weight).toFixed(2) : "",
    made ? bytesText(storedBytes(made.weight)) : "",
  ]);
  const quantized = linears.flatMap(({ quantize: made }) => (made ? made.weight : []));
  const bytes = quantized.reduce((sum, weight) => sum + storedBytes(weight), 0);
  const names = targets.map(({ target }) => target).join(", ") || "none";
  const first = transforms.map(({ transform }) => `, after ${transform}`).join("");
  return [
    table(["linear", "outputs × inputs", "rule", "scheme", "input", "bits/weight", "bytes"], rows),
    `\n${quantized.length} linears to quantize${first}, ${bytesText(bytes)}; ${linears.length - quantized.length} stay float; targets: ${names}`,
    ...notes,
  ].join("\n");
}
