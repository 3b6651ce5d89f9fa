import type { Step } from "./cost.js";
import { type Device, unitsOf } from "./device.js";

/** Instructions of a kernel's loop, counted in its source. */
export interface VectorWork {
  readonly instructions: number;
  /** Of these, the ones that move data across the lanes of 16 bytes of a wider vector. */
  readonly laneCrossings: number;
}

/**
 * The cycles of vector instructions that are never kept waiting, spread over all cores: a bound from below. Loads and
 * stores have ports of their own and are not counted.
 */
export function vectorStep(name: string, { instructions, laneCrossings }: VectorWork, device: Device): Step {
  const { cores, vectorInstructionsPerCycle: rate, laneCrossingsPerCycle } = unitsOf(device, "cpu");
  const crossingRate = laneCrossingsPerCycle ?? rate;
  const cycles = Math.max(instructions / rate.value, laneCrossings / crossingRate.value) / cores.value;
  return { name, cycles, busy: "units" };
}

/** So many rounds of a loop. */
export function times(rounds: number, { instructions, laneCrossings }: VectorWork): VectorWork {
  return { instructions: rounds * instructions, laneCrossings: rounds * laneCrossings };
}

export function together(...parts: readonly VectorWork[]): VectorWork {
  return {
    instructions: parts.reduce((sum, part) => sum + part.instructions, 0),
    laneCrossings: parts.reduce((sum, part) => sum + part.laneCrossings, 0),
  };
}
