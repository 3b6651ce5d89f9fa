import { createHash } from "node:crypto";
import type { Kernels } from "../kernels/kernels.js";
import type { Spill } from "../model/spill.js";
import type { TransformChoice } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { foldedNorms } from "../transforms/folded-norms.js";
import { hadamard } from "../transforms/hadamard.js";
import { findOrderTransform, findScaleTransform } from "../transforms/registry.js";
import { measureHeads } from "./measure-heads.js";
import { orderChannels } from "./order-channels.js";
import type { Plan } from "./plan.js";
import { describeCheckpoint } from "./plan-checkpoint.js";
import type { OnProgress } from "./progress.js";
import type { FileEntry } from "./record.js";
import { rotateCheckpoint } from "./rotate-checkpoint.js";
import { scaleChannels } from "./scale-channels.js";
import type { StatisticsSource } from "./statistics-files.js";

export interface TransformOptions {
  readonly run: string;
  readonly checkpoint: DequantizedCheckpoint;
  readonly plan: Plan;
  /** Equally long windows of the calibration text. */
  readonly windows: readonly Int32Array[];
  /** What the checkpoint, with the transforms made so far, and the windows come from. */
  readonly source: StatisticsSource;
  /** Of everything random. */
  readonly seed: number;
  /** Where hidden states between blocks are kept; in memory without it. */
  readonly spill?: Spill;
  readonly kernels: Kernels;
  readonly onProgress: OnProgress;
}

export interface TransformedCheckpoint {
  /** Its tensors are changed as they are read. */
  readonly checkpoint: DequantizedCheckpoint;
  /** What the run keeps of the transforms. */
  readonly files: readonly FileEntry[];
}

/**
 * Makes the plan's transforms of a checkpoint in their order, each of the checkpoint as the ones before left it. What one
 * finds is written; what an earlier process wrote is taken instead.
 */
export async function transformCheckpoint(
  options: TransformOptions,
): Promise<TransformedCheckpoint & Pick<StatisticsSource, "transforms">> {
  let { checkpoint, source } = options;
  const files: FileEntry[] = [];
  for (const choice of options.plan.transforms) {
    const made = await transformBy(choice, { ...options, checkpoint, source });
    checkpoint = made.checkpoint;
    files.push(...made.files);
    source = {
      ...source,
      transforms: [...source.transforms, { ...choice, seed: options.seed, fitted: hashOf(made.files) }],
    };
  }
  return { checkpoint, files, transforms: source.transforms };
}

/** One sha256 of all files that a transform wrote. */
function hashOf(files: readonly FileEntry[]): string {
  const hash = createHash("sha256");
  for (const { file, sha256 } of files) hash.update(`${sha256} ${file}\n`);
  return hash.digest("hex");
}

async function transformBy(
  choice: TransformChoice,
  options: TransformOptions,
): Promise<TransformedCheckpoint> {
  const order = findOrderTransform(choice.transform);
  if (order) return orderChannels(order, options);
  const scale = findScaleTransform(choice.transform);
  if (scale) return scaleChannels(scale, choice, options);
  const { checkpoint, plan, seed, kernels } = options;
  if (choice.transform === hadamard.name) {
    const quantized = new Set(plan.linears.flatMap(({ linear, quantize }) => (quantize ? linear.name : [])));
    const isRotated = (linear: string) => quantized.has(linear);
    return { checkpoint: rotateCheckpoint(checkpoint, [choice], seed, isRotated, kernels), files: [] };
  }
  const description = describeCheckpoint(checkpoint);
  const scales = await measureHeads(description, options);
  return { checkpoint: foldedNorms(checkpoint, description, scales, kernels), files: [] };
}
