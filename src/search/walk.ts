import type { Batch } from "../model/batches.js";
import type { Matrix } from "../tensor/matrix.js";
import type { FloatBlock, FloatBlocks } from "./float-blocks.js";

/** Who looks on while a text goes through the float model. */
export interface Visitor {
  /** Whether it wants to see the inputs within a block. */
  wants(index: number): boolean;
  /** Linears of one input, `[tokens, K]` a batch. */
  place(block: FloatBlock, linears: readonly string[], inputs: readonly Matrix[]): Promise<void>;
  /** A block after all its places. @param before the hidden states `[tokens, hidden]` that entered it. */
  block(block: FloatBlock, index: number, before: readonly Matrix[]): Promise<void>;
}

/**
 * Sends batches through the float model, block after block, place after place.
 * @returns the hidden states `[tokens, hidden]` after the last block, a batch each.
 */
export async function walkBlocks(
  blocks: FloatBlocks,
  batches: readonly Batch[],
  visitor?: Visitor,
): Promise<readonly Matrix[]> {
  let hidden = await blocks.embed(batches);
  for (const index of blocks.description.blocks.keys()) {
    const block = await blocks.enter(index);
    const before = hidden;
    if (visitor?.wants(index)) {
      hidden = await walkPlaces(block, batches, before, visitor);
      await visitor.block(block, index, before);
    } else {
      hidden = await eachBatch(batches, (batch, at) => block.compute(before[at], batch.length));
    }
  }
  return hidden;
}

async function walkPlaces(
  block: FloatBlock,
  batches: readonly Batch[],
  before: readonly Matrix[],
  visitor: Visitor,
): Promise<readonly Matrix[]> {
  const steps = await eachBatch(batches, ({ length }, at) => block.step(before[at], length));
  for (let { waiting } = steps[0]; waiting !== null; waiting = steps[0].waiting) {
    const { linears } = waiting;
    const inputs = steps.map((step) => step.waiting?.input ?? ended());
    await visitor.place(block, linears, inputs);
    for (const [at, step] of steps.entries()) await step.resume(await block.products(linears, inputs[at]));
  }
  return steps.map(({ hidden }) => hidden ?? ended());
}

/** One after another: each uses all threads. */
export async function eachBatch<T>(
  batches: readonly Batch[],
  compute: (batch: Batch, at: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const [at, batch] of batches.entries()) results.push(await compute(batch, at));
  return results;
}

function ended(): never {
  throw new RangeError("the batches of a block do not wait at the same linears");
}
