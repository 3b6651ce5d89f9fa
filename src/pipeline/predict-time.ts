import type { LinearInfo } from "../model/architecture.js";
import type { TransformChoice } from "../recipe/schema.js";
import { findOrderTransform, findScaleTransform } from "../transforms/registry.js";
import { choosesRows, isFitted, readsText } from "./calibration-needs.js";
import { calibratedQuantizerOf } from "./choices.js";
import { byChoice } from "./fit-linears.js";
import { inputsOf } from "./inputs-of.js";
import type { DiskPrediction } from "./predict.js";
import type { PredictedModel } from "./predict-memory.js";
import type { ToQuantize } from "./quantize-stage.js";
import { type MethodTime, type TimedModel, timeByWeights, timeFitted } from "./time-methods.js";
import { type LinearToSearch, timeBlock, timeHashing, timeSearch, timeSums } from "./time-stages.js";

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
  /** Tokens of a window of the calibration text. */
  readonly windowLength: number;
}

/** What all measuring may take; a method whose smallest slice takes longer exceeds it. */
const budgetSeconds = 2;
/** Starting, planning, and the report. */
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

function reasons({ plan }: PredictedModel): readonly string[] {
  const methods = plan.linears.flatMap(({ quantize }) => {
    const found = quantize && calibratedQuantizerOf(quantize.choice)?.quantizer;
    return found?.untimed ? `${found.name}: ${found.untimed}` : [];
  });
  const routed = plan.linears.some((each) => each.linear.isRouted && isFitted(each))
    ? ["how many tokens of the calibration text reach each expert is known only when it is computed"]
    : [];
  return [...new Set([...methods, ...routed])];
}

async function secondsOf(model: ModelToTime): Promise<number> {
  const { plan, description, tokens, tensors, disk, windowLength } = model;
  const timed: TimedModel = { ...model, targets: plan.targets };
  const fitted = new Map(
    plan.linears.flatMap(({ quantize, ...each }) =>
      quantize && readsText({ ...each, quantize }) ? [[each.linear.name, { ...each, quantize }]] : [],
    ),
  );
  const alone = plan.linears.flatMap(({ quantize, ...each }) =>
    quantize && !fitted.has(each.linear.name) ? [{ ...each, quantize }] : [],
  );
  const together = description.blocks.flatMap((linears) =>
    inputsOf(linears).flatMap((names) => byChoice(names.flatMap(({ name }) => fitted.get(name) ?? []))),
  );
  const measured = measurings(model);
  const [ofAlone, ofFitted] = [alike(alone.map((each) => [each])), alike(together)];
  const kinds = ofAlone.length + ofFitted.length + measured.length;
  const budget = budgetSeconds / Math.max(1, kinds);

  const byte = { read: 0, hashed: timeHashing() };
  let seconds = aroundSeconds;
  const add = (count: number, { quantizeSeconds, packSeconds }: MethodTime) => {
    seconds += count * (quantizeSeconds + packSeconds);
  };
  for (const { first, count } of ofAlone) add(count, await timeByWeights(first[0], timed, budget));
  for (const { first, count } of ofFitted) add(count, await timeFitted(first, timed, budget));
  for (const { count, time } of measured) seconds += count * (await time(timed, budget));
  const passes = passesOf(model) + (fitted.size > 0 ? 2 : 0);
  if (passes > 0) {
    const block = await timeBlock(timed, windowLength, budgetSeconds / 4);
    byte.read = block.byte;
    seconds += passes * description.blocks.length * tokens * block.token;
  }
  const inputBytes = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const writtenBytes = disk.quantizedBytes + disk.packBytes;
  seconds += inputBytes * (byte.hashed + (1 + passes) * byte.read);
  seconds += writtenBytes * (2 * byte.hashed + writtenByte);
  return seconds;
}

/** Linears that cost the same, with the first of them. */
function alike(all: readonly (readonly ToQuantize[])[]) {
  const kinds = new Map<string, { readonly first: readonly ToQuantize[]; count: number }>();
  for (const first of all) {
    const key = JSON.stringify(
      first.map(({ linear, quantize }) => [quantize.choice, linear.rows, linear.columns]),
    );
    const kind = kinds.get(key);
    if (kind) kind.count++;
    else kinds.set(key, { first, count: 1 });
  }
  return [...kinds.values()];
}

interface Measuring {
  readonly count: number;
  time(model: TimedModel, budgetSeconds: number): Promise<number>;
}

/** Passes of the float model alone: those of transforms that look at inputs, and that by which rows are chosen. */
function passesOf({ plan }: PredictedModel): number {
  return measuringTransforms(plan.transforms).length + (plan.linears.some(choosesRows) ? 1 : 0);
}

function measuringTransforms(transforms: readonly TransformChoice[]): readonly TransformChoice[] {
  return transforms.filter(
    ({ transform }) => findOrderTransform(transform) !== null || findScaleTransform(transform) !== null,
  );
}

/** Sums over inputs, and searches for their scales. */
function measurings({ plan, description }: PredictedModel): readonly Measuring[] {
  const inputs = description.blocks.flatMap(inputsOf);
  const widths = new Map<number, number>();
  for (const [{ columns }] of inputs) widths.set(columns, (widths.get(columns) ?? 0) + 1);
  const sums = (second: boolean): Measuring[] =>
    [...widths].map(([columns, count]) => ({
      count,
      time: (model, budget) => timeSums(columns, second, model, budget),
    }));
  const choices = new Map(
    plan.linears.map(({ linear, quantize }) => [linear.name, quantize?.choice ?? null]),
  );
  return [
    ...measuringTransforms(plan.transforms).flatMap(({ transform, ...options }) => {
      const scale = findScaleTransform(transform);
      if (scale === null) return sums(false);
      const searched = description.scalable.filter((input) => scale.takes(input, options));
      const kinds = new Map<string, { linears: LinearToSearch[]; count: number }>();
      for (const { linears } of searched) {
        const own = linears.map((linear) => ({ linear, choice: choices.get(linear.name) ?? null }));
        const key = JSON.stringify(own.map(({ linear, choice }) => [shapeOf(linear), choice]));
        const kind = kinds.get(key) ?? { linears: own, count: 0 };
        kinds.set(key, { ...kind, count: kind.count + 1 });
      }
      return [
        ...sums(scale.searches),
        ...[...kinds.values()].map(
          ({ linears, count }): Measuring => ({
            count,
            time: (model, budget) => timeSearch(scale, options, linears, model, budget),
          }),
        ),
      ];
    }),
    ...(plan.linears.some(choosesRows) ? sums(true) : []),
  ];
}

function shapeOf({ rows, columns }: LinearInfo): readonly number[] {
  return [rows, columns];
}
