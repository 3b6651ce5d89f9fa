/**
 * Luthier as a library: the same functions that the command line calls.
 *
 * ```ts
 * import { evaluatePerplexity, loadRecipe, openKernels, quantize, verifyRun } from "luthier";
 *
 * const kernels = openKernels();
 * await quantize({ model: "models/tiny", recipe: await loadRecipe("trit-planes-g128"), out: "runs/tiny", kernels });
 * const { perplexity } = await evaluatePerplexity({ path: "runs/tiny", engine: "lut", kernels, text: { text: "book.txt" } });
 * ```
 */
export { readText, type Text, type TextSource } from "./calibration/datasets.js";
export { fetchCheckpoint, type HubOptions } from "./checkpoint/hub.js";
export { LuthierError } from "./error.js";
export type { Metric, MetricScore, PairedComparison } from "./evaluation/metric.js";
export type { Perplexity } from "./evaluation/perplexity.js";
export type { TaskScore } from "./evaluation/score.js";
export type { Task } from "./evaluation/task.js";
export { findTasks, tasks } from "./evaluation/tasks/registry.js";
export type { KernelPath, Kernels } from "./kernels/kernels.js";
export { type KernelOptions, openKernels } from "./kernels/open.js";
export type { Architecture, LinearInfo, ModelDescription } from "./model/architecture.js";
export { describeModel, type Model } from "./model/model.js";
export { type EstimateOptions, estimate } from "./pipeline/estimate.js";
export type { Estimate } from "./pipeline/estimate-linears.js";
export { type EvaluateOptions, evaluatePerplexity, type PerplexityResult } from "./pipeline/evaluate.js";
export { type EvaluateRunOptions, evaluateRun } from "./pipeline/evaluate-recipe.js";
export { type EvaluateTaskOptions, evaluateTask, type TaskResult } from "./pipeline/evaluate-task.js";
export { inspectLinear, type LinearInspection } from "./pipeline/inspect.js";
export { type MergeOptions, type MergeResult, mergeParts } from "./pipeline/merge.js";
export { type Engine, type OpenModel, type OpenModelOptions, openModelAt } from "./pipeline/open-model.js";
export { type PackOptions, packRun } from "./pipeline/pack.js";
export type { Manifest } from "./pipeline/pack-files.js";
export type { Part } from "./pipeline/part.js";
export type { Plan, PlannedLinear } from "./pipeline/plan.js";
export type { OnProgress, Progress } from "./pipeline/progress.js";
export { planModel, type QuantizeOptions, type QuantizeResult, quantize } from "./pipeline/quantize.js";
export { type PartResult, type QuantizePartOptions, quantizePart } from "./pipeline/quantize-part.js";
export { type RunRecord, readRunRecord } from "./pipeline/run-directory.js";
export { type Verification, verifyRun } from "./pipeline/verify.js";
export type { Quantizer } from "./quantizers/quantizer.js";
export { quantizers } from "./quantizers/registry.js";
export { loadCandidates } from "./recipe/candidates.js";
export { loadDevice, parseDevice, shippedDeviceNames } from "./recipe/device.js";
export { parseRecipe } from "./recipe/parse.js";
export { type Recipe, recipeJsonSchema } from "./recipe/schema.js";
export { type LoadedRecipe, loadRecipe, shippedRecipeNames } from "./recipe/shipped.js";
export { type Comparison, compareRuns } from "./report/comparison.js";
export { reportJsonSchema } from "./report/report-file.js";
export { rooflineSvg } from "./report/roofline.js";
export { type RunSummary, summarizeRun } from "./report/summary.js";
export { writeReport } from "./report/write.js";
export { writeSearch } from "./report/write-search.js";
export type { ActivationScheme, WeightOutline, WeightScheme } from "./schemes/scheme.js";
export { type DequantizedCheckpoint, openDequantized } from "./schemes/stored/dequantized.js";
export { bitsPerWeight, dequantize, describeWeight } from "./schemes/weights.js";
export { type Budget, parseBudget } from "./search/budget.js";
export { type SearchOptions, type SearchResult, search } from "./search/search.js";
export type { CostModel, LinearCost } from "./targets/cost.js";
export type { Device } from "./targets/device.js";
export { findTarget, targets } from "./targets/registry.js";
export type { Arithmetic, PackedLinear, Target } from "./targets/target.js";
export type { Matrix } from "./tensor/matrix.js";
