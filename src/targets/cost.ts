import type { z } from "zod";
import type { ActivationScheme, GridOutline, WeightOutline } from "../schemes/scheme.js";
import { type Device, streamCycles, type Units } from "./device.js";
import type { Refusal } from "./target.js";

/**
 * What a target's products cost on a device: one file `cost.ts` a target. Costs are bounds from the target's own
 * formulas, as if every step were never kept waiting; what a source leaves open is a figure of the device's `design`.
 */
export interface CostModel<
  Parameters extends object = object,
  Design extends object = object,
  Outline extends WeightOutline = WeightOutline,
> {
  /** Where the formulas come from. */
  readonly source: string;
  /** How the target is built on a device, as far as the formulas ask: figures of a device file, a strict object. */
  readonly design: z.ZodObject & z.ZodType<Design>;
  /** What a reader of the estimate must know of this model. */
  readonly notes: readonly string[];
  /** Why there is no cost of this product on this device; null when there is one. */
  refuse(product: Product<Parameters, Outline>, device: Device): Refusal | null;
  /** The cost of one product `[tokens, K] → [tokens, N]`. */
  of(product: Product<Parameters, Outline>, device: Device, design: Design): LinearCost;
  /** The same product by each representation that the source compares; absent where it compares none. */
  alternatives?(product: Product<Parameters, Outline>, device: Device): readonly Alternative[];
}

/** One linear on some tokens. */
export interface Product<Parameters extends object = object, Outline extends WeightOutline = WeightOutline> {
  readonly weight: Outline;
  readonly activation: ActivationScheme;
  /** The target's. */
  readonly parameters: Parameters;
  readonly tokens: number;
  /** Absent for a linear of no model. */
  readonly sharing?: Sharing;
}

/** What hardware may do once for several linears of a block: outputs of all of them, the linear's own included. */
export interface Sharing {
  /** Of the linears with the same input. */
  readonly inputRows: number;
  /** Of queries, keys and values, for each of these; for other linears their own. */
  readonly attentionRows: number;
}

/** One linear of codes on a grid of scales. */
export type GridProduct<Parameters extends object = object> = Product<Parameters, GridOutline>;

/** The cost of such. */
export type GridCostModel<Parameters extends object = object, Design extends object = object> = CostModel<
  Parameters,
  Design,
  GridOutline
>;

export interface LinearCost {
  /** One after another; the steps of a stage run side by side, so the longest decides. */
  readonly stages: readonly (readonly Step[])[];
  /** Table entries that are looked up; 0 where the target multiplies. */
  readonly lookups: number;
  readonly bytes: Traffic;
  /** What the weights' bytes are, where they are of several kinds. */
  readonly weightParts?: readonly WeightPart[];
  readonly memory: readonly MemoryUse[];
}

export interface WeightPart {
  readonly what: string;
  readonly bytes: number;
}

/** A representation by what it loads and computes. */
export interface Alternative {
  readonly name: string;
  /** Loaded from off-chip memory. */
  readonly bytes: number;
  /** Of loading them alone. */
  readonly cycles: number;
  /** Multiplications, additions and comparisons. */
  readonly arithmetic: number;
}

export interface Step {
  /** `lookups`, `table build`, `weight stream`. */
  readonly name: string;
  /** Of the device's clock; may be a fraction, as they are added up. */
  readonly cycles: number;
  /** What the step keeps busy: the units on the chip, or the path to the memory outside. */
  readonly busy: "units" | "off-chip";
}

/** Bytes moved. */
export interface Traffic {
  readonly weights: number;
  readonly scales: number;
  /** Inputs read and outputs written. */
  readonly activations: number;
  /** Read from tables on the chip. */
  readonly tables: number;
}

/** What one product needs of a memory on the chip. */
export interface MemoryUse {
  /** As the device file names it. */
  readonly memory: string;
  readonly what: string;
  readonly bytes: number;
}

/** Cycles of a product: its stages in sequence. */
export function cyclesOf({ stages }: LinearCost): number {
  return stages.reduce((sum, stage) => sum + longest(stage).cycles, 0);
}

/** The step that takes most of the time. */
export function boundOf({ stages }: LinearCost): Step {
  return longest(stages.map(longest));
}

export function offChipBytes({ bytes }: LinearCost): number {
  return bytes.weights + bytes.scales + bytes.activations;
}

/** The step of moving the weights, scales and activations of a product, once for all its tokens. */
export function stream({ weights, scales, activations }: Traffic, device: Device): Step {
  const cycles = streamCycles(weights + scales + activations, device);
  return { name: "weight stream", cycles, busy: "off-chip" };
}

/** Bytes of a product's inputs and outputs. */
export function activationBytes(
  { rows, columns }: Pick<WeightOutline, "rows" | "columns">,
  tokens: number,
  bytesPerInput: number,
  bytesPerOutput: number,
): number {
  return tokens * (columns * bytesPerInput + rows * bytesPerOutput);
}

/** What a cost model says of a device of another kind than it is for. */
export function refuseKind(device: Device, kind: Units["kind"], target: string): Refusal | null {
  if (device.units.kind === kind) return null;
  return {
    reason: `${target} runs on a ${kind}, ${device.name} is a ${device.units.kind}`,
    fix: `choose a ${kind} with --device`,
  };
}

function longest(steps: readonly Step[]): Step {
  return steps.reduce((worst, step) => (step.cycles > worst.cycles ? step : worst));
}
