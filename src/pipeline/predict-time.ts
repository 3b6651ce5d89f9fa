import type { LinearInfo } from "../model/architecture.js";
import type { TransformChoice } from "../recipe/schema.js";
import { findOrderTransform, findScaleTransform } from "../transforms/registry.js";
import { choosesRows, isFitted, readsText } from "./calibration-needs.js";
import { calibratedQuantizerOf } from "./choices.js";
import { byChoice } from "./fit-linears.js";
import { inputsOf } from "./inputs-of.js";
import type { PlannedLinear } from "./plan.js";
import type { DiskPrediction } from "./predict.js";
import type { PredictedModel } from "./predict-memory.js";
import type { ToQuantize } from "./quantize-stage.js";
import { type TimedModel, timeByWeights, timeFitted } from "./time-methods.js";
import { timeHashing, timeReading, timeSearch, timeSums, timeToken } from "./time-stages.js";

/** How long a run will take on this machine, without scoring. */
export interface TimePrediction {
  /** Null where it cannot be said. */
  readonly timeSeconds: number | null;
  /** Why not; empty where it is said. */
  readonly timeUnknown: readonly string[];
  /** What measuring took. */
  readonly measuringSeconds: number;
}

export interface ModelToTime extends PredictedModel, Omit<TimedModel, "targets" | "tokens"> {
  readonly disk: DiskPrediction;
}

/** What all measuring may take; a method whose smallest slice takes longer exceeds it. */
const budgetSeconds = 2;
/** Of the weights of a block as float32, which is computed on little text. */
const largestBlock = 2 ** 30;
/** Seconds that the report takes of a quantized weight, for its histograms: measured once. */
const reportedWeight = 2.3e-8;
/** Starting and planning, and the rest of the report. */
const aroundSeconds = 2;
/** Seconds of writing a byte, of 400 MB/s: a dry run writes nothing to measure it. */
const writtenByte = 1 / 400e6;

/**
 * Times every (method, options, shape) of a plan on slices of its own linears, one block of the float model on one window, and
 * reads and hashes some; then adds up what the run does of each. For people alone: it depends on the machine and its load.
 */
export async function predictTime(model: ModelToTime): Promise<TimePrediction> {
  const started = performance.now();
  const predicted = (timeSeconds: number | null, timeUnknown: readonly string[]): TimePrediction => {
    return { timeSeconds, timeUnknown, measuringSeconds: (performance.now() - started) / 1000 };
  };
  const unknown = reasons(model);
  if (unknown.length > 0) return predicted(null, unknown);
  try {
    return predicted(await secondsOf(model), []);
  } catch (error) {
    // What it is in the run's way, the run says; what only a slice cannot do is no fault.
    return predicted(null, [`a slice of the work failed: ${error instanceof Error ? error.message : error}`]);
  }
}

function reasons({ plan, description }: PredictedModel): readonly string[] {
  const methods = plan.linears.flatMap(({ quantize }) => {
    const found = quantize && calibratedQuantizerOf(quantize.choice)?.quantizer;
    return found?.untimed ? `${found.name}: ${found.untimed}` : [];
  });
  const routed = plan.linears.some((each) => each.linear.isRouted && isFitted(each))
    ? ["how many tokens of the calibration text reach each expert is known only when it is computed"]
    : [];
  const weights = description.blocks[0].reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const large =
    plan.linears.some(readsText) && 4 * weights > largestBlock
      ? [`a block of ${Math.round((4 * weights) / 2 ** 30)} GiB is too large to be computed for it`]
      : [];
  return [...new Set([...methods, ...routed, ...large])];
}

async function secondsOf(model: ModelToTime): Promise<number> {
  const { plan, description, tokens, tensors, disk, windowLength, checkpoint, kernels } = model;
  const timed: TimedModel = { ...model, targets: plan.targets };
  const jobs = [
    ...methods(model),
    ...transforms(model),
    ...(plan.linears.some(choosesRows) ? sums(model, true) : []),
  ];
  const budget = budgetSeconds / (jobs.length + 1);
  let seconds = aroundSeconds;
  for (const { count, time } of jobs) seconds += count * (await time(timed, budget));

  const looking = lookingAlone(model);
  const passes = looking + (plan.linears.some(readsText) ? 2 : 0); // of the float model, and of both when methods are fitted
  if (passes > 0)
    seconds += passes * description.blocks.length * tokens * (await timeToken(timed, windowLength, budget));
  const readings = 1 + looking + (plan.linears.some(readsText) ? 1 : 0);
  const [readByte, hashedByte] = [
    await timeReading(description.blocks[0][0], checkpoint, kernels),
    timeHashing(),
  ];
  const inputBytes = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const writtenBytes = disk.quantizedBytes + disk.packBytes;
  seconds += inputBytes * (hashedByte + readings * readByte);
  seconds += writtenBytes * (2 * hashedByte + writtenByte); // hashed when they are written, and when the run is sealed
  const reported = plan.linears.flatMap(({ linear, quantize }) =>
    quantize ? linear.rows * linear.columns : 0,
  );
  return seconds + reportedWeight * reported.reduce((sum, weights) => sum + weights, 0);
}

/** Work that a run does several times alike. */
interface Job {
  readonly count: number;
  /** Seconds of doing it once. */
  time(model: TimedModel, budgetSeconds: number): Promise<number>;
}

/** The same work once, as often as it comes. @param all of each what it is known by, and how it is timed. */
function counted(all: readonly { readonly key: unknown; readonly time: Job["time"] }[]): readonly Job[] {
  const jobs = new Map<string, { count: number; readonly time: Job["time"] }>();
  for (const { key, time } of all) {
    const job = jobs.get(JSON.stringify(key));
    if (job) job.count++;
    else jobs.set(JSON.stringify(key), { count: 1, time });
  }
  return [...jobs.values()];
}

/** Quantizing and packing, of linears alone or of those that are fitted together. */
function methods({ plan, description }: PredictedModel): readonly Job[] {
  const toQuantize = (linears: readonly PlannedLinear[]) =>
    linears.flatMap(({ quantize, ...each }) => (quantize ? { ...each, quantize } : []));
  const fitted = new Map(plan.linears.filter(readsText).map((each) => [each.linear.name, each]));
  const alone = toQuantize(plan.linears).filter((each) => !readsText(each));
  const together = description.blocks
    .flatMap(inputsOf)
    .flatMap((linears) => byChoice(linears.flatMap(({ name }) => fitted.get(name) ?? [])));
  const keyOf = ({ linear, quantize }: ToQuantize) => [quantize.choice, shapeOf(linear)];
  return [
    ...counted(
      alone.map((each) => ({
        key: keyOf(each),
        time: (model, budget) => timeByWeights(each, model, budget),
      })),
    ),
    ...counted(
      together.map((linears) => ({
        key: linears.map(keyOf),
        time: (model, budget) => timeFitted(linears, model, budget),
      })),
    ),
  ];
}

/** Passes of the float model alone: those of transforms that look at inputs, and that by which rows are chosen. */
function lookingAlone({ plan }: PredictedModel): number {
  return lookingTransforms(plan.transforms).length + (plan.linears.some(choosesRows) ? 1 : 0);
}

function lookingTransforms(all: readonly TransformChoice[]): readonly TransformChoice[] {
  return all.filter(
    ({ transform }) => findOrderTransform(transform) !== null || findScaleTransform(transform) !== null,
  );
}

/** Sums over inputs, and searches for their scales. */
function transforms(model: PredictedModel): readonly Job[] {
  const { plan, description } = model;
  const choices = new Map(
    plan.linears.map(({ linear, quantize }) => [linear.name, quantize?.choice ?? null]),
  );
  return lookingTransforms(plan.transforms).flatMap(({ transform, ...options }) => {
    const scale = findScaleTransform(transform);
    if (scale === null) return sums(model, false);
    const searches = description.scalable
      .filter((input) => scale.takes(input, options))
      .map(({ linears }) => {
        const own = linears.map((linear) => ({ linear, choice: choices.get(linear.name) ?? null }));
        return {
          key: own.map(({ linear, choice }) => [shapeOf(linear), choice]),
          time: (timed: TimedModel, budget: number) => timeSearch(scale, options, own, timed, budget),
        };
      });
    return [...sums(model, scale.searches), ...counted(searches)];
  });
}

/** @param second whether products of channels are summed too. */
function sums({ description }: PredictedModel, second: boolean): readonly Job[] {
  return counted(
    description.blocks.flatMap(inputsOf).map(([{ columns }]) => ({
      key: columns,
      time: (model, budget) => timeSums(columns, second, model, budget),
    })),
  );
}

function shapeOf({ rows, columns }: LinearInfo): readonly number[] {
  return [rows, columns];
}
