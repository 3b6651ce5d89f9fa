import type { Kernels } from "../kernels/kernels.js";
import type { TransformChoice } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { foldedNorms } from "../transforms/folded-norms.js";
import { findOrderTransform } from "../transforms/registry.js";
import { measureHeads } from "./measure-heads.js";
import { orderChannels } from "./order-channels.js";
import type { Plan } from "./plan.js";
import { describeCheckpoint } from "./plan-checkpoint.js";
import type { OnProgress } from "./progress.js";
import type { FileEntry } from "./record.js";
import type { StatisticsSource } from "./statistics-files.js";

export interface TransformOptions {
  readonly run: string;
  readonly checkpoint: DequantizedCheckpoint;
  readonly plan: Plan;
  /** Equally long windows of the calibration text. */
  readonly windows: readonly Int32Array[];
  /** What the checkpoint, with the transforms made so far, and the windows come from. */
  readonly source: StatisticsSource;
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
 * Makes the plan's transforms of a checkpoint in their order, each of the checkpoint as the ones before left it. What one is
 * fitted to is written; what an earlier process wrote is taken instead.
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
    const hashes = made.files.map(({ sha256 }) => sha256);
    source = { ...source, transforms: [...source.transforms, { ...choice, files: hashes }] };
  }
  return { checkpoint, files, transforms: source.transforms };
}

async function transformBy(
  { transform }: TransformChoice,
  options: TransformOptions,
): Promise<TransformedCheckpoint> {
  const order = findOrderTransform(transform);
  if (order) return orderChannels(order, options);
  const { checkpoint, kernels } = options;
  const description = describeCheckpoint(checkpoint);
  const scales = await measureHeads(description, options);
  return { checkpoint: foldedNorms(checkpoint, description, scales, kernels), files: [] };
}
