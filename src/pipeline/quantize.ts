import path from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import type { Spill } from "../model/spill.js";
import { quantizingPart } from "../recipe/schema.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { quantizeOnCalibration } from "./calibrate-stage.js";
import { hasFitted, needsCalibration } from "./calibration-needs.js";
import { type CalibrationText, calibrationText } from "./calibration-text.js";
import { chooseRows } from "./choose-rows.js";
import { contentsOf, hashInputs, stateFiles } from "./input-files.js";
import { keepFloat } from "./keep-stage.js";
import type { Manifest } from "./pack-files.js";
import { writePack } from "./pack-stage.js";
import { deletePartRecords, expectSameSource, readPartRecords, stagesOf } from "./part-records.js";
import type { Plan } from "./plan.js";
import { type PlannedModel, planCheckpoint } from "./plan-checkpoint.js";
import type { OnProgress } from "./progress.js";
import { quantizeLinears } from "./quantize-stage.js";
import { indexJson, indexPath, type QuantizedEntry, type QuantizedIndex } from "./quantized-files.js";
import { writeRecord } from "./record.js";
import {
  prepareRunDirectory,
  type RunRecord,
  readEarlierRecord,
  writeOrigin,
  writeRunRecord,
} from "./run-directory.js";
import { withLock } from "./run-lock.js";
import { sealIndexes } from "./seal.js";
import { spillWithin } from "./spill-within.js";
import { sourceOf } from "./statistics-stage.js";
import { transformCheckpoint } from "./transform-stage.js";
import { versionsOnRecord } from "./versions.js";

export interface QuantizeOptions {
  /** A checkpoint's folder. */
  readonly model: string;
  readonly recipe: LoadedRecipe;
  /** The run's folder. */
  readonly out: string;
  readonly kernels: Kernels;
  /** Delete an earlier run there first. */
  readonly fresh?: boolean;
  /** What the process may take: activations beyond it go to files of the run (`spillWithin`). Without it all is in memory. */
  readonly memoryBytes?: number;
  readonly onProgress?: OnProgress;
}

export interface QuantizeResult {
  readonly run: string;
  readonly plan: Plan;
  readonly index: QuantizedIndex;
  readonly packs: readonly Manifest[];
  readonly record: RunRecord;
}

/** What would be done, without doing any of it. @throws LuthierError when the recipe does not fit the model. */
export async function planModel(model: string, recipe: LoadedRecipe): Promise<Plan> {
  const checkpoint = await openModelCheckpoint(model);
  try {
    return (await planCheckpoint(checkpoint, recipe.recipe)).plan;
  } finally {
    await checkpoint.close();
  }
}

/**
 * Quantizes a checkpoint by a recipe into a run folder and packs it for the recipe's targets. A run that was stopped
 * goes on where it stopped; the same inputs, recipe and seed give the same bytes.
 *
 * @throws LuthierError when the model, recipe or folder is not in order; nothing finished is lost by that.
 */
export async function quantize(options: QuantizeOptions): Promise<QuantizeResult> {
  const { out, recipe } = options;
  const source = await openModelCheckpoint(options.model);
  try {
    const planned = await planCheckpoint(source, recipe.recipe);
    return await withLock(out, () => quantizePlanned(source, planned, options));
  } finally {
    await source.close();
  }
}

async function quantizePlanned(
  source: DequantizedCheckpoint,
  { description, plan }: PlannedModel,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const { out, recipe } = options;
  const { calibration } = recipe.recipe;
  const { directory } = source;
  const folder = path.dirname(recipe.file);
  const text =
    calibration && needsCalibration(plan) // which has refused a recipe that lacks it
      ? await calibrationText({ calibration, folder, directory, description })
      : null;
  const tokens = (text?.windows ?? []).reduce((sum, window) => sum + window.length, 0);
  const windowLength = text?.windows[0]?.length ?? 0;
  const predicted = { plan, description, tensors: source.tensors, tokens, windowLength };
  const openSpill = options.memoryBytes === undefined ? null : spillWithin(options.memoryBytes, predicted);
  await prepareRunDirectory(out, options.fresh ?? false);
  const spill = openSpill?.(out);
  try {
    return await quantizeInto(source, { description, plan }, text, spill, options);
  } finally {
    spill?.close();
  }
}

async function quantizeInto(
  source: DequantizedCheckpoint,
  { description, plan }: PlannedModel,
  text: CalibrationText | null,
  spill: Spill | undefined,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const { out, recipe, kernels, onProgress = () => {} } = options;
  const { seed } = recipe.recipe;
  let record = await beginRecord(options, source, plan, text, onProgress);
  const stage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    const seconds = (performance.now() - started) / 1000;
    const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
    record = { ...record, stages: withStage(record.stages, { name, seconds, peakMemoryBytes }) };
    await writeRunRecord(out, record);
    return result;
  };
  const given = { run: out, windows: text?.windows ?? [], kernels, onProgress, ...(spill && { spill }) };
  const { checkpoint, files, transforms } =
    plan.transforms.length > 0
      ? await stage("transform", () =>
          transformCheckpoint({
            ...given,
            checkpoint: source,
            plan,
            source: sourceOf(record, []),
            seed,
          }),
        )
      : { checkpoint: source, files: [], transforms: [] };
  const [byWeights, kept] = await stage("quantize", async () => {
    // Copying is reading and hashing, quantizing is computing: side by side they take little longer than one.
    const quantizing = quantizeLinears(out, checkpoint, plan.linears, kernels, onProgress);
    const keeping = keepFloat(out, checkpoint, description, plan.linears, record.inputs);
    await Promise.allSettled([quantizing, keeping]); // when one fails, the other must not write on after the lock is gone
    return Promise.all([quantizing, keeping]);
  });
  const fitted = hasFitted(plan.linears)
    ? await stage("fit", async () => {
        const fitting = { ...given, checkpoint, description, planned: plan.linears, seed };
        const chosenRows = await chooseRows({ ...fitting, source: sourceOf(record, transforms) });
        return quantizeOnCalibration({ ...fitting, chosenRows });
      })
    : [];
  const index: QuantizedIndex = {
    files: [...kept, ...files],
    linears: inOrder(plan, [...byWeights, ...fitted]),
  };
  await writeRecord(indexPath(out), indexJson(index));
  const packs: Manifest[] = [];
  for (const target of plan.targets) {
    packs.push(
      await stage(`pack ${String(target.target)}`, () => writePack(out, record, target, onProgress)),
    );
  }
  record = await sealIndexes(out, { ...record, state: "done" });
  await deletePartRecords(out);
  return { run: out, plan, index, packs, record };
}

/** The entries of a run in the order of its model. */
function inOrder({ linears }: Plan, entries: readonly QuantizedEntry[]): readonly QuantizedEntry[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return linears.flatMap(({ linear }) => byName.get(linear.name) ?? []);
}

type Stage = RunRecord["stages"][number];

/** In the place of an earlier process's of that name. */
function withStage(stages: readonly Stage[], stage: Stage): Stage[] {
  return [...stages.filter(({ name }) => name !== stage.name), stage];
}

/** The record of a new run, or that of a stopped one after checking that it is the same run. */
async function beginRecord(
  options: QuantizeOptions,
  checkpoint: Checkpoint,
  { notes }: Plan,
  text: CalibrationText | null,
  onProgress: OnProgress,
): Promise<RunRecord> {
  const { out, recipe } = options;
  const parts = await readPartRecords(out);
  const earlier = await readEarlierRecord(out, async () => parts.length > 0);
  const now = { versions: await versionsOnRecord(earlier?.versions.commit), recipe };
  if (parts.length > 0) expectSameSource(out, parts, { ...now, inputs: await stateFiles(checkpoint) });
  const inputs = await hashInputs(checkpoint, earlier?.inputs ?? [], onProgress);
  const record: RunRecord = {
    format: "luthier-run",
    version: 1,
    versions: now.versions,
    model: options.model,
    recipe: { name: recipe.name, resolved: recipe.recipe },
    ...(notes.length > 0 && { notes: [...notes] }),
    inputs,
    ...(text && { calibration: text.source }),
    stages: stagesOf(parts).reduce<Stage[]>(withStage, earlier?.stages ?? []),
    indexes: earlier?.indexes ?? {},
    state: "running",
  };
  const difference = earlier && differenceOf(earlier, record);
  if (difference) {
    throw new LuthierError(
      `${out} holds a run of ${difference}`,
      "choose another folder with --out, or delete that run with --fresh",
      { usage: true },
    );
  }
  await writeOrigin(out, record);
  await writeRunRecord(out, record);
  return record;
}

function differenceOf(earlier: RunRecord, now: RunRecord): string | null {
  if (contentsOf(earlier.inputs) !== contentsOf(now.inputs)) return `another model (${earlier.model})`;
  const rules = ({ recipe }: RunRecord) => JSON.stringify(quantizingPart(recipe.resolved));
  if (rules(earlier) !== rules(now)) {
    return `another recipe (${earlier.recipe.name})`;
  }
  const texts = ({ calibration }: RunRecord) => calibration?.sha256;
  if (texts(earlier) !== texts(now)) return `another calibration text (${earlier.calibration?.name})`;
  if (earlier.versions.luthier !== now.versions.luthier)
    return `another version of luthier (${earlier.versions.luthier})`;
  return null;
}
