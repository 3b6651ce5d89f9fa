import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import type { WeightOutline } from "../schemes/scheme.js";
import { storedBytes } from "../schemes/weights.js";
import { findScaleTransform } from "../transforms/registry.js";
import { hasFitted, needsCalibration, readsText } from "./calibration-needs.js";
import { calibratedQuantizerOf } from "./choices.js";
import type { Plan, PlannedLinear } from "./plan.js";

/** What a run takes in memory at most, in bytes. */
export interface MemoryPrediction {
  readonly peakBytes: number;
  /** As much of it as `--memory` can move to the disk. */
  readonly activationBytes: number;
  readonly stages: readonly StageMemory[];
  /** Methods whose own working memory was not measured: that of GPTQ stands for it. */
  readonly unmeasuredMethods: readonly string[];
}

export interface StageMemory {
  readonly stage: "transform" | "quantize" | "fit";
  /** The process, weights and all that is computed of them. */
  readonly fixedBytes: number;
  /** Hidden states and inputs of linears of the whole calibration text. */
  readonly activationBytes: number;
}

export interface PredictedModel {
  readonly plan: Plan;
  readonly description: ModelDescription;
  readonly tensors: TensorSource["tensors"];
  /** Of the calibration text; 0 without one. */
  readonly tokens: number;
}

const mebibyte = 2 ** 20;

/*
 * Measured with Node.js 20 on Linux x64 (docs/memory.md): what a process takes before any weight, what copying takes
 * beside the quantizing (two pieces of 16 MiB, and hashing), and what onnxruntime adds when a model is computed.
 */
const processBytes = 122 * mebibyte;
const copyingBytes = 40 * mebibyte;
const runtimeBytes = 93 * mebibyte;

/** Weights of the block before may wait to be collected while the next is loaded: this share, measured. */
const lateShare = 0.5;
/** Matrices `[K, K]` of float64 that error compensation has at once: second moments, in order, factor, and its work. */
const squaresOfCompensation = 5.4;
/** A batch's matrices in the widest place: gate, up, their product, and the input of the one that is computed. */
const matricesOfBatch = 4;
const tokensOfBatch = 2048;

/** Methods for which prediction and measurement were compared. */
const measuredMethods = ["gptq"];

/** What each stage will take. Pure: from the plan, the shapes and the number of tokens. */
export function predictMemory(model: PredictedModel): MemoryPrediction {
  const { plan } = model;
  const stages: StageMemory[] = [{ stage: "quantize", fixedBytes: quantizeBytes(model), activationBytes: 0 }];
  if (plan.transforms.length > 0 && needsCalibration({ ...plan, linears: [] }))
    stages.push(ofTransforms(model));
  if (hasFitted(plan.linears)) stages.push(ofFit(model));
  return {
    peakBytes: Math.max(...stages.map((each) => each.fixedBytes + each.activationBytes)),
    activationBytes: Math.max(...stages.map((each) => each.activationBytes)),
    stages,
    unmeasuredMethods: unmeasured(plan.linears),
  };
}

/** Three linears: the next is read, one is quantized, the last is written. */
function quantizeBytes({ plan, tensors }: PredictedModel): number {
  const linears = plan.linears.filter((each) => each.quantize !== null && !readsText(each));
  const ofThree = linears.map((each) => {
    const [weights, codes] = [weightsOf(each.linear), codeBytes(each.quantize!.weight)];
    const read = (tensors.get(each.linear.tensor)?.bytes ?? 2 * weights) + 4 * weights;
    return read + (4 * weights + codes) + (codes + storedBytes(each.quantize!.weight));
  });
  return processBytes + copyingBytes + Math.max(0, ...ofThree);
}

/** A byte a code in memory. */
function codeBytes(weight: WeightOutline): number {
  const count = weight.rows * weight.columns;
  return weight.scheme === "planes" ? count * weight.planes : count;
}

/** The float model block after block, and the sums over one block's inputs. */
function ofTransforms({ plan, description, tokens }: PredictedModel): StageMemory {
  const second = plan.transforms.some(({ transform }) => findScaleTransform(transform) !== null);
  const ofBlocks = description.blocks.map((linears) => {
    const sums = inputsOf(linears).map((columns) => (second ? 12 * columns * columns : 0));
    return blockBytes(linears) * (1 + lateShare) + sums.reduce((sum, bytes) => sum + bytes, 0);
  });
  return {
    stage: "transform",
    fixedBytes: processBytes + runtimeBytes + Math.max(...ofBlocks) + batchBytes(description, tokens),
    activationBytes: 4 * tokens * description.hiddenSize,
  };
}

/**
 * A block as float32 and as it is quantized, what the hungriest method works with, and the text at one place: both residual
 * streams, the quantized model's input there and the float model's at the place before.
 */
function ofFit({ plan, description, tokens }: PredictedModel): StageMemory {
  const fitted = new Set(plan.linears.filter(readsText).map(({ linear }) => linear.name));
  const ofBlocks = description.blocks.map((linears) => {
    const own = linears.filter(({ name }) => fitted.has(name));
    const widest = Math.max(0, ...own.map(({ columns }) => columns));
    const largest = Math.max(0, ...own.map(weightsOf));
    return {
      fixed:
        2 * blockBytes(linears) * (1 + lateShare) + 8 * (squaresOfCompensation * widest * widest + largest),
      channels: 3 * description.hiddenSize + widest,
    };
  });
  return {
    stage: "fit",
    fixedBytes:
      processBytes +
      runtimeBytes +
      Math.max(...ofBlocks.map(({ fixed }) => fixed)) +
      batchBytes(description, tokens),
    activationBytes: 4 * tokens * Math.max(...ofBlocks.map(({ channels }) => channels)),
  };
}

function batchBytes({ blocks }: ModelDescription, tokens: number): number {
  const widest = Math.max(...blocks.flat().map(({ rows, columns }) => Math.max(rows, columns)));
  return 4 * Math.min(tokens, tokensOfBatch) * matricesOfBatch * widest;
}

/** float32. */
function blockBytes(linears: readonly LinearInfo[]): number {
  return linears.reduce((sum, linear) => sum + 4 * weightsOf(linear), 0);
}

function weightsOf({ rows, columns }: LinearInfo): number {
  return rows * columns;
}

/** Widths of a block's inputs, those that several linears read once. */
function inputsOf(linears: readonly LinearInfo[]): readonly number[] {
  return linears
    .filter((linear, at) => at === 0 || linears[at - 1].norm !== linear.norm || linear.norm === null)
    .map(({ columns }) => columns);
}

function unmeasured(linears: readonly PlannedLinear[]): readonly string[] {
  const methods = linears.flatMap(({ quantize }) =>
    quantize && calibratedQuantizerOf(quantize.choice)
      ? calibratedQuantizerOf(quantize.choice)!.quantizer.name
      : [],
  );
  return [...new Set(methods)].filter((name) => !measuredMethods.includes(name));
}
