import { LuthierError } from "../error.js";
import type { LinearOutline } from "../schemes/scheme.js";
import { describeWeight } from "../schemes/weights.js";
import {
  type Alternative,
  boundOf,
  type CostModel,
  cyclesOf,
  type LinearCost,
  offChipBytes,
  type Product,
  type Sharing,
  type Traffic,
  type WeightPart,
} from "../targets/cost.js";
import { type Device, streamCycles } from "../targets/device.js";
import type { Refusal, Target } from "../targets/target.js";
import { type MemoryFit, memoryFits } from "./memory-fit.js";

/** A linear as an estimate sees it. */
export interface EstimatedLinear {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Null when it stays float. */
  readonly quantized: LinearOutline | null;
  /** Absent where it shares nothing. */
  readonly sharing?: Sharing;
  /** Of the weight as it stays float. */
  readonly floatBytes: number;
}

export interface EstimateInput {
  readonly model: string;
  /** What quantized the linears: a recipe's name. */
  readonly rules: string;
  readonly target: Target;
  readonly cost: CostModel;
  readonly device: Device;
  /** The target's. */
  readonly parameters: object;
  readonly linears: readonly EstimatedLinear[];
  readonly prefill: number;
  readonly decode: number;
}

/** What a model's linears cost on a device. */
export interface Estimate {
  readonly model: string;
  readonly rules: string;
  readonly target: string;
  readonly parameters: object;
  readonly device: Device;
  /** Where the formulas come from. */
  readonly source: string;
  /** The prompt in one go, or why it has no estimate. */
  readonly prefill: Phase | Refused;
  /** One token. */
  readonly decode: Phase | Refused;
  /** Prompt and `decodeTokens` more; null when a phase has no estimate. */
  readonly request: { readonly decodeTokens: number; readonly seconds: number } | null;
  /** All weights and scales, float ones included. */
  readonly weightBytes: number;
  /** Of the quantized weights, where their bytes are of several kinds. */
  readonly weightParts: readonly WeightPart[];
  /** The quantized linears for one token, by each representation that the source compares. */
  readonly alternatives: readonly Alternative[];
  readonly memory: readonly MemoryFit[];
  readonly power: { readonly watts: number; readonly source: string } | null;
  readonly published: Device["published"];
  readonly notes: readonly string[];
}

export interface Refused {
  readonly refused: Refusal;
}

export interface Phase {
  readonly tokens: number;
  readonly kinds: readonly KindCost[];
  readonly cycles: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly lookups: number;
  readonly bytes: Traffic;
  /** At the published power; null where there is none. */
  readonly joulesPerToken: number | null;
}

/** All linears of one kind (`q_proj`), shape and scheme. */
export interface KindCost {
  readonly kind: string;
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** `int2 g128`, or `float`. */
  readonly scheme: string;
  /** Of all of them together. */
  readonly cycles: number;
  readonly seconds: number;
  /** `2 · N · K · tokens` each: what the linear stands for, however it is computed. */
  readonly operations: number;
  readonly lookups: number;
  readonly bytes: Traffic;
  readonly offChipBytes: number;
  /** The step that takes most of the time. */
  readonly bound: string;
  /** Operations a second if only the units on the chip had to work; null for float linears, whose units are not known. */
  readonly unitRate: number | null;
}

/** @throws LuthierError (usage) when neither phase has a cost, or the device lacks what the cost model asks for. */
export function estimateLinears(input: EstimateInput): Estimate {
  const { model, rules, target, cost, device, parameters, linears } = input;
  const design = designOf(target, cost, device);
  const phase = (tokens: number) => phaseOf(input, design, tokens);
  const [prefill, decode] = [phase(input.prefill), phase(1)];
  if ("refused" in decode && "refused" in prefill) {
    throw new LuthierError(decode.refused.reason, decode.refused.fix, { usage: true });
  }
  const power = device.power.find((each) => each.target === target.name) ?? null;
  const productsOf = (tokens: number) =>
    linears.flatMap((linear) => productOf(linear, parameters, tokens) ?? []);
  const costsOf = (tokens: number) => productsOf(tokens).map((product) => cost.of(product, device, design));
  const costs = costsOf(1);
  const weightBytes =
    linears.reduce((sum, { quantized, floatBytes }) => sum + (quantized ? 0 : floatBytes), 0) +
    costs.reduce((sum, { bytes }) => sum + bytes.weights + bytes.scales, 0);
  const seconds =
    "refused" in prefill || "refused" in decode ? null : prefill.seconds + input.decode * decode.seconds;
  return {
    model,
    rules,
    target: target.name,
    parameters,
    device,
    source: cost.source,
    prefill,
    decode,
    request: seconds === null ? null : { decodeTokens: input.decode, seconds },
    weightBytes,
    weightParts: byName(costs.flatMap(({ weightParts = [] }) => weightParts)),
    alternatives: alternativesOf(productsOf(1), input),
    memory: memoryFits("refused" in prefill ? costs : costsOf(prefill.tokens), device),
    power: power && { watts: power.watts, source: power.source },
    published: device.published.filter((each) => each.target === target.name),
    notes: [
      ...cost.notes,
      ...(linears.some(({ quantized }) => quantized === null)
        ? ["float linears count with the time of reading their weights alone"]
        : []),
      "not modelled: attention, the cache of keys and values, norms, activations, the embedding, sampling",
    ],
  };
}

/** How a target is built on a device. @throws LuthierError (usage) when the device file does not say. */
export function designOf(target: Target, cost: CostModel, device: Device): object {
  const parsed = cost.design.safeParse(device.designs?.[target.name] ?? {});
  if (parsed.success) return parsed.data;
  const needed = Object.keys(cost.design.shape).join(", ");
  throw new LuthierError(
    `${device.name} does not say how ${target.name} is built on it`,
    `choose another device, or add designs.${target.name} with ${needed} to a device file`,
    { usage: true },
  );
}

function phaseOf(input: EstimateInput, design: object, tokens: number): Phase | Refused {
  const { cost, device, parameters, linears, target } = input;
  const groups = new Map<string, EstimatedLinear[]>();
  for (const linear of linears) {
    const { inputRows, attentionRows } = linear.sharing ?? {};
    const shape = [linear.rows, linear.columns, inputRows, attentionRows];
    const key = [kindOf(linear), ...shape, schemeOf(linear)].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), linear]);
  }
  const kinds: KindCost[] = [];
  for (const same of groups.values()) {
    const [linear] = same;
    const product = productOf(linear, parameters, tokens);
    if (product === null) {
      kinds.push(kindCost(same, floatCost(linear, device), device, tokens));
      continue;
    }
    const refused = cost.refuse(product, device);
    if (refused) return { refused };
    kinds.push(kindCost(same, cost.of(product, device, design), device, tokens));
  }
  const sum = (of: (kind: KindCost) => number) => kinds.reduce((total, kind) => total + of(kind), 0);
  const seconds = sum((kind) => kind.seconds);
  const watts = device.power.find((each) => each.target === target.name)?.watts;
  return {
    tokens,
    kinds,
    cycles: sum((kind) => kind.cycles),
    seconds,
    tokensPerSecond: tokens / seconds,
    lookups: sum((kind) => kind.lookups),
    bytes: {
      weights: sum((kind) => kind.bytes.weights),
      scales: sum((kind) => kind.bytes.scales),
      activations: sum((kind) => kind.bytes.activations),
      tables: sum((kind) => kind.bytes.tables),
    },
    joulesPerToken: watts === undefined ? null : (watts * seconds) / tokens,
  };
}

/** A linear that stays float is read once; how it is computed is no matter of the target. */
function floatCost({ floatBytes }: EstimatedLinear, device: Device): LinearCost {
  const cycles = streamCycles(floatBytes, device);
  return {
    stages: [[{ name: "weight stream", cycles, busy: "off-chip" }]],
    lookups: 0,
    bytes: { weights: floatBytes, scales: 0, activations: 0, tables: 0 },
    memory: [],
  };
}

function kindCost(
  same: readonly EstimatedLinear[],
  cost: LinearCost,
  device: Device,
  tokens: number,
): KindCost {
  const [linear] = same;
  const count = same.length;
  const operations = 2 * linear.rows * linear.columns * tokens;
  const { weights, scales, activations, tables } = cost.bytes;
  const hertz = device.clockHertz.value;
  const onUnits = cost.stages.map((steps) => steps.filter(({ busy }) => busy === "units"));
  const unitCycles = cyclesOf({ ...cost, stages: onUnits.filter((steps) => steps.length > 0) });
  return {
    kind: kindOf(linear),
    count,
    rows: linear.rows,
    columns: linear.columns,
    scheme: schemeOf(linear),
    cycles: count * cyclesOf(cost),
    seconds: (count * cyclesOf(cost)) / hertz,
    operations: count * operations,
    lookups: count * cost.lookups,
    bytes: {
      weights: count * weights,
      scales: count * scales,
      activations: count * activations,
      tables: count * tables,
    },
    offChipBytes: count * offChipBytes(cost),
    bound: boundOf(cost).name,
    unitRate: unitCycles === 0 ? null : (operations * hertz) / unitCycles,
  };
}

/** The last part of its name: `q_proj`. */
function kindOf({ name }: EstimatedLinear): string {
  return name.split(".").at(-1) ?? name;
}

function schemeOf({ quantized }: EstimatedLinear): string {
  return quantized ? describeWeight(quantized.weight) : "float";
}

/** Null for a linear that stays float. */
function productOf(
  { quantized, sharing }: EstimatedLinear,
  parameters: object,
  tokens: number,
): Product | null {
  return quantized && { ...quantized, parameters, tokens, sharing };
}

/** Parts of the same name together. */
function byName(parts: readonly WeightPart[]): WeightPart[] {
  const sums = new Map<string, number>();
  for (const { what, bytes } of parts) sums.set(what, (sums.get(what) ?? 0) + bytes);
  return [...sums].map(([what, bytes]) => ({ what, bytes }));
}

function alternativesOf(products: readonly Product[], { cost, device }: EstimateInput): Alternative[] {
  const sums = new Map<string, Alternative>();
  for (const each of products.flatMap((product) => cost.alternatives?.(product, device) ?? [])) {
    const { name, bytes, cycles, arithmetic } = sums.get(each.name) ?? zeroOf(each);
    sums.set(name, {
      name,
      bytes: bytes + each.bytes,
      cycles: cycles + each.cycles,
      arithmetic: arithmetic + each.arithmetic,
    });
  }
  return [...sums.values()];
}

function zeroOf({ name }: Alternative): Alternative {
  return { name, bytes: 0, cycles: 0, arithmetic: 0 };
}
