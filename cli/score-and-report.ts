import path from "node:path";
import { evaluateRun } from "../src/pipeline/evaluate-recipe.js";
import type { QuantizeOptions } from "../src/pipeline/quantize.js";
import { withLock } from "../src/pipeline/run-lock.js";
import { scoresToKeep } from "../src/report/report-file.js";
import { type RunSummary, summarizeRun } from "../src/report/summary.js";
import { writeReport } from "../src/report/write.js";

/** What follows when a run is packed: the recipe's evaluations, if it has any, and the report. */
export async function scoreAndReport(options: Omit<QuantizeOptions, "fresh">): Promise<RunSummary> {
  const { model, recipe, out, kernels, onProgress } = options;
  const evaluations = recipe.recipe.evaluate;
  const folder = path.dirname(recipe.file);
  return withLock(out, async () => {
    const scores =
      evaluations.length > 0
        ? await evaluateRun({ run: out, model, evaluations, folder, kernels, onProgress })
        : await scoresToKeep(out);
    const summary = await summarizeRun(out, scores);
    await writeReport(summary);
    return summary;
  });
}
