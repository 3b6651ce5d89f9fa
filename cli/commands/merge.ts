import { Command } from "commander";
import { mergeParts } from "../../src/pipeline/merge.js";
import { type CommonOptions, openTools, withCommonOptions } from "../options.js";
import { printResult } from "../output.js";
import { scoreAndReport } from "../score-and-report.js";
import { summaryText } from "../summary-text.js";

export function mergeCommand(): Command {
  return withCommonOptions(new Command("merge"))
    .description("make a run of the parts of `luthier quantize --part`: the rest, pack, score")
    .argument("<run>", "the folder that the parts were written into")
    .addHelpText("after", examples)
    .action(async (run: string, options: CommonOptions) => {
      const { kernels, onProgress } = openTools(options);
      const { model, recipe } = await mergeParts({ run, kernels, onProgress });
      const summary = await scoreAndReport({ model, recipe, out: run, kernels, onProgress });
      printResult(options.json ?? false, summary, () => summaryText(summary));
    });
}

const examples = `
What is not there yet is named, with the commands that make it. The result has the bytes of a run by one process.

Example, two parts side by side on one machine:
  luthier quantize models/tiny --recipe trit-planes-g128 --out runs/tiny --threads 1 --part 1/2 &
  luthier quantize models/tiny --recipe trit-planes-g128 --out runs/tiny --threads 1 --part 2/2
  wait
  luthier merge runs/tiny

docs/cluster.md has a Slurm array, a Kubernetes Job and GNU parallel.`;
