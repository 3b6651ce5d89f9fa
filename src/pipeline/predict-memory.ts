import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { scoreBytes } from "../model/attention.js";
import type { WeightOutline } from "../schemes/scheme.js";
import { storedBytes } from "../schemes/weights.js";
import { findScaleTransform } from "../transforms/registry.js";
import { choosesRows, hasFitted, needsCalibration, readsText } from "./calibration-needs.js";
import { calibratedQuantizerOf } from "./choices.js";
import { byChoice } from "./fit-linears.js";
import { inputsOf } from "./inputs-of.js";
import type { Plan } from "./plan.js";
import type { ToQuantize } from "./quantize-stage.js";

/** What a run takes in memory at most, in bytes. */
export interface MemoryPrediction {
  readonly peakBytes: number;
  /** As much of it as `--memory` can move to the disk. */
  readonly activationBytes: number;
  readonly stages: readonly StageMemory[];
}

export interface StageMemory {
  readonly stage: "transform" | "quantize" | "choose" | "fit";
  /** The process, weights and all that is computed of them. */
  readonly fixedBytes: number;
  /** Hidden states and inputs of linears of the whole calibration text. */
  readonly activationBytes: number;
}

export interface PredictedModel {
  readonly plan: Plan;
  readonly description: ModelDescription;
  readonly tensors: TensorSource["tensors"];
  /** Of the calibration text, and of a window of it; 0 without one. */
  readonly tokens: number;
  readonly windowLength: number;
}

const mebibyte = 2 ** 20;

/*
 * Measured with Node.js 20 on Linux x64 (docs/memory.md): what a process takes before any weight, what onnxruntime adds when
 * a model is computed, and what copying takes beside the quantizing (two pieces of 16 MiB, and hashing).
 */
const processBytes = 122 * mebibyte;
const runtimeBytes = 58 * mebibyte;
const copyingBytes = 40 * mebibyte;

/** Arrays that nobody needs any more: V8 collects when so much has come since it last did (kExternalAllocationSoftLimit). */
const uncollectedBytes = 64 * mebibyte;
/** A batch's matrices in the widest place: gate, up, and the two that their product is made by. */
const matricesOfBatch = 4;
const tokensOfBatch = 2048;

/** What each stage will take. Pure: from the plan, the shapes and the number of tokens. */
export function predictMemory(model: PredictedModel): MemoryPrediction {
  const { plan } = model;
  const stages: StageMemory[] = [{ stage: "quantize", fixedBytes: quantizeBytes(model), activationBytes: 0 }];
  if (plan.transforms.length > 0 && needsCalibration({ ...plan, linears: [] }))
    stages.push(ofTransforms(model));
  if (plan.linears.some(choosesRows)) stages.push(ofChoosing(model));
  if (hasFitted(plan.linears)) stages.push(ofFit(model));
  return {
    peakBytes: Math.max(...stages.map((each) => each.fixedBytes + each.activationBytes)),
    activationBytes: Math.max(...stages.map((each) => each.activationBytes)),
    stages,
  };
}

/** Three linears: the next is read, one is quantized, the last is written. */
function quantizeBytes({ plan, tensors }: PredictedModel): number {
  const linears = plan.linears.filter((each) => each.quantize !== null && !readsText(each));
  const ofThree = linears.map((each) => {
    const [weights, codes] = [weightsOf(each.linear), codeBytes(each.quantize!.weight)];
    const read = (tensors.get(each.linear.tensor)?.bytes ?? 2 * weights) + 4 * weights;
    const compared = comparesByCodes(each.quantize!.weight) ? 0 : 4 * weights; // what codes stand for, when the error is taken
    return read + (4 * weights + codes + compared) + (codes + storedBytes(each.quantize!.weight));
  });
  return processBytes + copyingBytes + Math.max(0, ...ofThree);
}

/** Whether `relativeError` takes it without the weights that the codes stand for. */
function comparesByCodes({ scheme }: WeightOutline): boolean {
  return scheme === "int" || scheme === "planes";
}

/** A byte a code in memory. */
function codeBytes(weight: WeightOutline): number {
  const count = weight.rows * weight.columns;
  return weight.scheme === "planes" ? count * weight.planes : count;
}

/** Inputs are measured; then scales are sought, one input after another. */
function ofTransforms(model: PredictedModel): StageMemory {
  const searches = model.plan.transforms.some(
    ({ transform }) => findScaleTransform(transform)?.searches === true,
  );
  const measuring = ofMeasuring("transform", model, searches);
  if (!searches) return measuring;
  const inputs = model.description.blocks.flatMap(inputsOf);
  const searching = inputs.map((linears) => searchBytes(linears) + linears.reduce(addWeights, 0));
  const searchingBytes = processBytes + runtimeBytes + uncollectedBytes + Math.max(...searching);
  return { ...measuring, fixedBytes: Math.max(measuring.fixedBytes, searchingBytes) };
}

/** Inputs are measured; then rows are ranked, one linear after another. */
function ofChoosing(model: PredictedModel): StageMemory {
  const measuring = ofMeasuring("choose", model, true);
  const ranking = model.plan.linears.filter(choosesRows).map(({ linear }) => searchBytes([linear]));
  const rankingBytes = processBytes + runtimeBytes + uncollectedBytes + Math.max(...ranking);
  return { ...measuring, fixedBytes: Math.max(measuring.fixedBytes, rankingBytes) };
}

/**
 * Moments `[K, K]`, a weight, its codes and what they stand for, and their difference: as it is, transposed, and times the moments in
 * float64.
 */
function searchBytes(linears: readonly LinearInfo[]): number {
  const [{ columns }] = linears;
  return 4 * columns * columns + 25 * Math.max(...linears.map(weightsOf));
}

/** The float model block after block, and the sums over one block's inputs. */
function ofMeasuring(stage: StageMemory["stage"], model: PredictedModel, second: boolean): StageMemory {
  const { description, tokens } = model;
  const ofBlocks = description.blocks.map((linears) => {
    const squares = second ? inputsOf(linears).map(([{ columns }]) => columns * columns) : [0];
    const sums = 8 * squares.reduce((sum, square) => sum + square, 0);
    const asMeans = 4 * Math.max(...squares);
    return blockBytes(linears) + sums + Math.max(asMeans, batchBytes(model));
  });
  return {
    stage,
    fixedBytes: processBytes + runtimeBytes + uncollectedBytes + Math.max(...ofBlocks),
    activationBytes: 4 * tokens * description.hiddenSize,
  };
}

/**
 * A block as float32 and as it is quantized, what a batch of it takes or else its hungriest method, and the text at one
 * place: both residual streams, the quantized model's input there and the float model's at the place before.
 */
function ofFit(model: PredictedModel): StageMemory {
  const { plan, description, tokens } = model;
  const fitted = new Map(plan.linears.filter(readsText).map((each) => [each.linear.name, each]));
  const ofBlocks = description.blocks.map((linears) => {
    const methods = inputsOf(linears).map((together) => {
      const own = together.flatMap(({ name }) => fitted.get(name) ?? []);
      return Math.max(0, ...byChoice(own).map((each) => methodBytes(each, tokens)));
    });
    const widest = Math.max(0, ...linears.map(({ name, columns }) => (fitted.has(name) ? columns : 0)));
    return {
      fixed: 2 * blockBytes(linears) + Math.max(batchBytes(model), ...methods),
      channels: 3 * description.hiddenSize + widest,
    };
  });
  const fixedBytes =
    processBytes + runtimeBytes + uncollectedBytes + Math.max(...ofBlocks.map(({ fixed }) => fixed));
  return {
    stage: "fit",
    fixedBytes,
    activationBytes: 4 * tokens * Math.max(...ofBlocks.map(({ channels }) => channels)),
  };
}

/** What a method works with, and the codes that it gives. */
function methodBytes(together: readonly ToQuantize[], tokens: number): number {
  const codes = together.reduce((sum, { quantize }) => sum + codeBytes(quantize.weight), 0);
  const found = calibratedQuantizerOf(together[0].quantize.choice);
  const linears = together.map(({ linear }) => linear);
  return codes + (found ? found.quantizer.workingBytes(linears, tokens, found.options) : 0);
}

/** What a batch of windows takes where most is: between gate, up and down, or in attention with its scores. */
function batchBytes({ description, tokens, windowLength }: PredictedModel): number {
  const linears = description.blocks.flat();
  const batch = Math.min(tokens, Math.max(windowLength, tokensOfBatch));
  const widest = Math.max(...linears.map(({ rows, columns }) => Math.max(rows, columns)));
  const attentions = linears.flatMap(({ attention }) => {
    if (attention === null) return [];
    const { rows, keyValueHeads, headSize } = attention;
    const heads = rows / headSize - 2 * keyValueHeads;
    return Math.min(scoreBytes, 4 * heads * batch * windowLength) + 4 * batch * (rows + heads * headSize);
  });
  return Math.max(4 * batch * matricesOfBatch * widest, ...attentions);
}

function blockBytes(linears: readonly LinearInfo[]): number {
  return linears.reduce(addWeights, 0);
}

/** As float32. */
function addWeights(bytes: number, linear: LinearInfo): number {
  return bytes + 4 * weightsOf(linear);
}

function weightsOf({ rows, columns }: LinearInfo): number {
  return rows * columns;
}
