import { needText } from "../transforms/registry.js";
import { isFitted } from "./calibration-needs.js";
import type { Plan, PlannedLinear } from "./plan.js";

/* A run in parts: each process makes its share of the linears, `luthier merge` the rest. */

/** One of `count` processes that share a run's linears, counted from 1. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/** More than there are linears in any model. */
const mostParts = 65536;

/** `3/8`; null for any other text. */
export function parsePart(text: string): Part | null {
  const [, index, count] = (/^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (index === undefined || index < 1 || index > count || count > mostParts) return null;
  return { index, count };
}

export function partText({ index, count }: Part): string {
  return `${index}/${count}`;
}

/**
 * Why a linear cannot be made apart from the others, in words that follow "by one process: "; null when any part can make it,
 * or it stays float.
 */
export function sequenceOf({ quantize, ...rest }: PlannedLinear, { transforms }: Plan): string | null {
  if (quantize === null) return null;
  const fitted = transforms.find(({ transform }) => needText([transform]));
  if (fitted) return `after ${fitted.transform}, for which calibration text is put through the whole model`;
  return isFitted({ ...rest, quantize }) ? "fitted block after block to calibration text" : null;
}

/** The linears that parts can make, in the order of the model. */
export function independentOf(plan: Plan): readonly PlannedLinear[] {
  return plan.linears.filter((each) => each.quantize !== null && sequenceOf(each, plan) === null);
}

/**
 * The linears that a part makes: neighbours, so that it reads few of the checkpoint's shards. A linear belongs to the part
 * in whose nth of all weights its middle lies, so shares differ by less than one linear at each end.
 */
export function shareOf(plan: Plan, { index, count }: Part): readonly PlannedLinear[] {
  const independent = independentOf(plan);
  const weightsOf = ({ linear }: PlannedLinear) => linear.rows * linear.columns;
  const all = independent.reduce((sum, each) => sum + weightsOf(each), 0);
  let before = 0;
  return independent.filter((each) => {
    const middle = before + weightsOf(each) / 2;
    before += weightsOf(each);
    return Math.floor((middle / all) * count) === index - 1;
  });
}
