import type { LinearCost } from "../targets/cost.js";
import type { Device } from "../targets/device.js";

/** What is needed of a memory on the chip, against what there is. */
export interface MemoryFit {
  readonly memory: string;
  readonly what: string;
  readonly usedBytes: number;
  /** Null when the device file does not have this memory. */
  readonly availableBytes: number | null;
}

/** What the hungriest linear of a model needs of each memory: linears are computed one after another. */
export function memoryFits(costs: readonly LinearCost[], { onChip }: Device): MemoryFit[] {
  const fits = new Map<string, MemoryFit>();
  for (const { memory, what, bytes } of costs.flatMap((cost) => cost.memory)) {
    const earlier = fits.get(memory);
    if (earlier && earlier.usedBytes >= bytes) continue;
    const blocks = onChip.find((each) => each.memory === memory);
    const availableBytes = blocks ? blocks.count * blocks.bytes : null;
    fits.set(memory, { memory, what, usedBytes: bytes, availableBytes });
  }
  return [...fits.values()];
}
