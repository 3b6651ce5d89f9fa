import type { Kernels } from "../kernels/kernels.js";
import type { Spill } from "../model/spill.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { type Observer, openCheckpointModel } from "./open-model.js";

export interface ObservedModel {
  /** As it is or as transforms have left it; it stays open. */
  readonly checkpoint: DequantizedCheckpoint;
  /** Equally long windows of the calibration text. */
  readonly windows: readonly Int32Array[];
  /** Where hidden states between blocks are kept; in memory without it. */
  readonly spill?: Spill;
  readonly kernels: Kernels;
}

/**
 * Sends calibration text through the blocks of a checkpoint's float model, for who observes. Blocks are the outer loop.
 * @param afterBlock waited for when a block has been computed on the whole text: nothing of it is observed again.
 */
export async function observeModel(
  { checkpoint, windows, spill, kernels }: ObservedModel,
  afterBlock: (done: number, total: number) => Promise<void> | void,
  observer: Observer,
): Promise<void> {
  const { model, close } = openCheckpointModel({ ...checkpoint, close: async () => {} }, kernels, {
    ...observer,
    spill,
  });
  try {
    await model.run(windows, afterBlock);
  } finally {
    await close();
  }
}
