import { LuthierError } from "../error.js";
import { type Allocated, allocate, frontier, type Option } from "./allocation.js";
import type { Budget } from "./budget.js";
import type { Candidate, SearchedLinear } from "./candidates.js";
import type { Assignment } from "./measure-divergences.js";
import { probesAmong } from "./measure-sensitivities.js";
import { predictedLoss } from "./predicted-loss.js";
import type { Sensitivities } from "./sensitivity-files.js";

/** What a choice for every linear, or one linear's candidate, costs and is expected to lose. */
export interface Scored {
  readonly bitsPerWeight: number;
  readonly bytes: number;
  /** Of one token; null where no device is given. */
  readonly cycles: number | null;
  /** Predicted divergence from the float model, in nats a token. */
  readonly loss: number;
}

export interface ScoredOption extends Scored {
  readonly candidate: Candidate;
  /** Relative, of the linear's outputs. */
  readonly error: number;
  /** Measured, of those that were probed. */
  readonly divergence: number | null;
}

/** A linear with what each of its candidates costs and loses. */
export interface ScoredLinear {
  readonly name: string;
  readonly weights: number;
  readonly options: readonly ScoredOption[];
}

export function scoreLinears(
  searched: readonly SearchedLinear[],
  sensitivities: Sensitivities,
): readonly ScoredLinear[] {
  return searched.map(({ linear: { name, rows, columns }, candidates }) => {
    const weights = rows * columns;
    const measured = candidates.map(({ key }) => {
      const found = sensitivities[name]?.find(({ candidate }) => candidate === key);
      if (found === undefined) throw new RangeError(`${name} was not measured as ${key}`);
      return found;
    });
    const probed = probesAmong(measured);
    const probes = measured.flatMap(({ candidate, error, divergence }) =>
      probed.includes(candidate) && divergence !== null ? { error, divergence } : [],
    );
    const options = candidates.map((candidate, at): ScoredOption => {
      const { bytes, cycles } = candidate;
      const { error, divergence } = measured[at];
      const loss = predictedLoss(error, probes);
      return { candidate, bytes, cycles, bitsPerWeight: (8 * bytes) / weights, error, divergence, loss };
    });
    return { name, weights, options };
  });
}

/** A choice of one option of every linear, all together. */
export function scoreOf(linears: readonly ScoredLinear[], chosen: readonly number[]): Scored {
  const sum = (of: (option: ScoredOption) => number) =>
    linears.reduce((total, { options }, at) => total + of(options[chosen[at]]), 0);
  const bytes = sum((option) => option.bytes);
  const weights = linears.reduce((total, linear) => total + linear.weights, 0);
  const hasCycles = linears.every(({ options }) => options.every(({ cycles }) => cycles !== null));
  return {
    bitsPerWeight: (8 * bytes) / weights,
    bytes,
    cycles: hasCycles ? sum(({ cycles }) => cycles ?? 0) : null,
    loss: sum(({ loss }) => loss),
  };
}

/** The choice with the least predicted loss within the budget. @throws LuthierError (usage) when none is within it. */
export function chooseWithin(linears: readonly ScoredLinear[], budget: Budget): Allocated {
  const found = allocate(
    linears.map(({ options }) => options.map((option) => asOption(option, budget))),
    amountOf(budget, linears),
  );
  if (found === null) throw tooSmall(budget, cheapest(linears, budget));
  return found;
}

/** Choices that are the best of their own cost, the cheapest first. */
export function frontierOf(linears: readonly ScoredLinear[], budget: Budget): readonly Scored[] {
  const items = linears.map(({ options }) => options.map((option) => asOption(option, budget)));
  return frontier(items).map(({ chosen }) => scoreOf(linears, chosen));
}

/** @throws LuthierError (usage) when even the cheapest candidates exceed the budget: known before anything is measured. */
export function expectAffordable(searched: readonly SearchedLinear[], budget: Budget): void {
  const unmeasured = searched.map(({ linear: { name, rows, columns }, candidates }) => ({
    ...{ name, weights: rows * columns },
    options: candidates.map((candidate) => ({ ...candidate, loss: 0 })),
  }));
  const least = cheapest(unmeasured, budget);
  if (least > amountOf(budget, unmeasured)) throw tooSmall(budget, least);
}

/** For each candidate that fits all linears the choice of it everywhere. */
export function uniformChoices(searched: readonly SearchedLinear[]): readonly (readonly number[])[] {
  const [first, ...others] = searched.map(({ candidates }) => candidates.map(({ key }) => key));
  return first
    .filter((key) => others.every((keys) => keys.includes(key)))
    .map((key) => [first, ...others].map((keys) => keys.indexOf(key)));
}

export function assignmentOf(searched: readonly SearchedLinear[], chosen: readonly number[]): Assignment {
  return new Map(searched.map(({ linear, candidates }, at) => [linear.name, candidates[chosen[at]]]));
}

/** What an option takes of the budget, in its unit; bits a weight are bytes of all weights. */
function costOf({ bytes, cycles }: Pick<Scored, "bytes" | "cycles">, { unit }: Budget): number {
  if (unit !== "cycles") return bytes;
  if (cycles === null) {
    throw new LuthierError("cycles are those of a target on a device", "give --target and --device", {
      usage: true,
    });
  }
  return cycles;
}

function asOption(option: Scored, budget: Budget): Option {
  return { cost: costOf(option, budget), loss: option.loss };
}

/** The budget in the unit of `costOf`. */
function amountOf({ unit, amount }: Budget, linears: readonly { readonly weights: number }[]): number {
  if (unit !== "bits") return amount;
  return (amount * linears.reduce((sum, { weights }) => sum + weights, 0)) / 8;
}

interface Priced {
  readonly weights: number;
  readonly options: readonly Pick<Scored, "bytes" | "cycles">[];
}

/** In the unit of `costOf`. */
function cheapest(linears: readonly Priced[], budget: Budget): number {
  return linears.reduce(
    (sum, { options }) => sum + Math.min(...options.map((option) => costOf(option, budget))),
    0,
  );
}

function tooSmall({ unit, amount }: Budget, least: number): LuthierError {
  const needed = unit === "cycles" ? `${Math.ceil(least)} cycles` : `${least} bytes`;
  return new LuthierError(
    `a budget of ${amount} ${unit} is too small: the cheapest candidates take ${needed}`,
    "raise the budget, or give coarser candidates with --candidates",
    { usage: true },
  );
}
