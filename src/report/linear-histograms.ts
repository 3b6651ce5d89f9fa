import path from "node:path";
import { readMatrix } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import { referenceKernels } from "../kernels/reference-kernels.js";
import { contentsOf, hashInputs } from "../pipeline/input-files.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "../pipeline/quantized-files.js";
import { type RunRecord, readRunRecord } from "../pipeline/run-directory.js";
import { readInput, readInputs, type StoredInput, statisticsFolder } from "../pipeline/statistics-files.js";
import { type DequantizedCheckpoint, openDequantized } from "../schemes/stored/dequantized.js";
import { dequantize } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import { type Bins, binned, logBinned } from "./bins.js";
import { linearPlace } from "./linear-place.js";

/** A linear's weights and inputs, counted. */
export interface LinearHistogram {
  readonly name: string;
  readonly relativeError: number;
  /** The checkpoint's weights, or the quantized ones where those cannot be had. */
  readonly weights: Bins & { readonly of: "checkpoint" | "quantized" };
  /** A typical group; null where its weights have too many values to be a grid. */
  readonly grid: Grid | null;
  /** Null where no method asked for statistics. */
  readonly inputs: InputBins | null;
}

/** The group whose largest quantized weight is the median of all groups'. */
export interface Grid {
  readonly row: number;
  readonly firstColumn: number;
  readonly lastColumn: number;
  /** The values that its quantized weights have, rising. */
  readonly levels: readonly number[];
}

/** Of the channels of an input: how many have such a magnitude, over its logarithm to base ten. */
export interface InputBins {
  readonly tokens: number;
  readonly channels: number;
  /** The largest magnitude on any token. */
  readonly largest: Bins;
  /** The root of the mean square over the tokens. */
  readonly rootMeanSquare: Bins;
}

export interface LinearHistograms {
  readonly linears: readonly LinearHistogram[];
  /** Why they are not of the checkpoint's weights; null where they are. */
  readonly withoutCheckpoint: string | null;
}

/** Of each kind of linear the one with the largest relative error, the worst first. */
export async function linearHistograms(run: string): Promise<LinearHistograms> {
  const record = await readRunRecord(run);
  const { linears } = await readQuantizedIndex(run);
  const inputs = await measuredInputs(run, record);
  const source = await checkpointOf(record);
  try {
    const histograms: LinearHistogram[] = [];
    for (const entry of worstOfKinds(linears))
      histograms.push(await histogramOf(run, entry, inputs, "why" in source ? null : source));
    return { linears: histograms, withoutCheckpoint: "why" in source ? source.why : null };
  } finally {
    if (!("why" in source)) await source.close();
  }
}

const mostKinds = 12;
/** A linear is in memory as floats and quantized, 4 bytes a weight each: heads of large models are left out. */
const mostWeights = 2 ** 27;

function worstOfKinds(linears: readonly QuantizedEntry[]): readonly QuantizedEntry[] {
  const worst = new Map<string, QuantizedEntry>();
  for (const entry of linears.filter(({ weight }) => weight.rows * weight.columns <= mostWeights)) {
    const { kind } = linearPlace(entry.name);
    const other = worst.get(kind);
    if (other === undefined || entry.relativeError > other.relativeError) worst.set(kind, entry);
  }
  return [...worst.values()].sort((a, b) => b.relativeError - a.relativeError).slice(0, mostKinds);
}

/** The checkpoint that the run was made from, or why its weights are not to be had. */
async function checkpointOf({
  model,
  inputs,
  recipe,
}: RunRecord): Promise<DequantizedCheckpoint | { readonly why: string }> {
  if (recipe.resolved.transforms.length > 0)
    return { why: "the recipe's transforms changed the weights before they were quantized" };
  try {
    const checkpoint = await openDequantized(model);
    const found = await hashInputs(checkpoint, inputs, () => {});
    if (contentsOf(found) === contentsOf(inputs)) return checkpoint;
    await checkpoint.close();
    return { why: `${model} is no longer what the run was made from` };
  } catch (error) {
    if (error instanceof LuthierError) return { why: `the checkpoint cannot be read: ${error.message}` };
    throw error;
  }
}

async function histogramOf(
  run: string,
  entry: QuantizedEntry,
  inputs: MeasuredInputs,
  source: DequantizedCheckpoint | null,
): Promise<LinearHistogram> {
  const { name, relativeError, weight } = entry;
  const quantized = dequantize(await readScheme(path.join(quantizedFolder(run), entry.file), weight));
  const tensor = source && [`${name}.weight`, name].find((each) => source.tensors.has(each));
  const float = tensor ? await readMatrix(source, tensor, referenceKernels()) : null;
  const group = "group" in weight ? weight.group : weight.columns;
  return {
    ...{ name, relativeError },
    weights: { ...binned((float ?? quantized).data, weightBins), of: float ? "checkpoint" : "quantized" },
    grid: gridOf(quantized, group),
    inputs: await inputBins(name, inputs),
  };
}

const weightBins = 96;
const inputChannelBins = 40;
/** More values than INT8 has are none that one would draw lines at. */
const mostLevels = 64;

function gridOf({ rows, columns, data }: Matrix, group: number): Grid | null {
  const groups = (rows * columns) / group;
  const largest = Float32Array.from({ length: groups }, (_, at) =>
    data.subarray(at * group, (at + 1) * group).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  const median = largest.slice().sort()[Math.floor(groups / 2)];
  const first = largest.indexOf(median) * group;
  const levels = [...new Set(data.subarray(first, first + group))].sort((a, b) => a - b);
  if (levels.length > mostLevels) return null;
  const firstColumn = first % columns;
  return { row: Math.floor(first / columns), firstColumn, lastColumn: firstColumn + group - 1, levels };
}

interface MeasuredInputs {
  readonly folder: string;
  readonly inputs: readonly StoredInput[];
}

/** As the recipe's transforms leave the inputs, or as far as they were measured. */
async function measuredInputs(run: string, { recipe }: RunRecord): Promise<MeasuredInputs> {
  const { transforms } = recipe.resolved;
  for (let made = transforms.length; made >= 0; made--) {
    const folder = statisticsFolder(run, { transforms: transforms.slice(0, made) });
    const inputs = await readInputs(folder);
    if (inputs.length > 0) return { folder, inputs };
  }
  return { folder: run, inputs: [] };
}

async function inputBins(linear: string, { folder, inputs }: MeasuredInputs): Promise<InputBins | null> {
  const stored = inputs.find(({ linears }) => linears.includes(linear));
  if (stored === undefined) return null;
  const { tokens, largest, meanSquare } = await readInput(folder, stored, false);
  return {
    ...{ tokens, channels: largest.length },
    largest: logBinned(largest, inputChannelBins),
    rootMeanSquare: logBinned(meanSquare.map(Math.sqrt), inputChannelBins),
  };
}
