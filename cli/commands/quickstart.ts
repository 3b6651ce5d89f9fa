import path from "node:path";
import { Command } from "commander";
import { LuthierError } from "../../src/error.js";
import { packagePath } from "../../src/package.js";
import { evaluateRun } from "../../src/pipeline/evaluate-recipe.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { withLock } from "../../src/pipeline/run-lock.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { summarizeRun } from "../../src/report/summary.js";
import { writeReport } from "../../src/report/write.js";
import { type CommonOptions, openTools, withCommonOptions } from "../options.js";
import { printResult } from "../output.js";
import { summaryText } from "../summary-text.js";

const recipeName = "trit-planes-g128";

export function quickstartCommand(): Command {
  return withCommonOptions(new Command("quickstart"))
    .description("the whole job on the bundled model: quantize, pack, verify, score")
    .option("--out <dir>", "the run's folder; an earlier run there is replaced", "runs/quickstart")
    .addHelpText("after", "\nExample:\n  luthier quickstart")
    .action(async ({ out, json, ...options }: CommonOptions & { readonly out: string }) => {
      const { kernels, onProgress } = openTools(options);
      const model = bundled("models/tiny");
      await quantize({ model, recipe: await loadRecipe(recipeName), out, kernels, fresh: true, onProgress });
      const { faults, files } = await verifyRun(out, kernels, onProgress);
      if (faults.length > 0)
        throw new LuthierError(`the run does not verify:\n${faults.join("\n")}`, "run it again");
      const text = "the-fiddle-maker.txt";
      const evaluations = [{ task: "perplexity", text, split: "test", context: 256 } as const];
      const summary = await withLock(out, async () => {
        const scores = await evaluateRun({
          ...{ run: out, model, evaluations, kernels, onProgress },
          folder: bundled("calibration"),
        });
        const found = await summarizeRun(out, scores);
        await writeReport(found);
        return found;
      });
      printResult(json ?? false, summary, () =>
        [
          "",
          summaryText(summary),
          "",
          `verified: ${files} files${kernels.native ? `; the ${kernels.path} engine gives the reference's bits on every linear` : ""}`,
          `look inside: luthier inspect ${out}, or ${path.join(out, "reports", "report.html")}`,
        ].join("\n"),
      );
    });
}

/** A path inside this package; relative to where we are if that is inside too, which is shorter to read. */
function bundled(inside: string): string {
  const full = packagePath(inside);
  const relative = path.relative(process.cwd(), full);
  return relative.startsWith("..") ? full : relative;
}
