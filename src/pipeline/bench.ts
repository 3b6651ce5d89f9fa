import type { Kernels } from "../kernels/kernels.js";
import { type MachineLimits, measureLimits } from "../kernels/limits.js";
import type { QuantizeChoice } from "../recipe/schema.js";
import type { WeightScheme } from "../schemes/scheme.js";
import type { PackedLinear, Target, TypicalRule } from "../targets/target.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { calibratedQuantizerOf, quantizerOf } from "./choices.js";
import type { OnProgress } from "./progress.js";
import { randomVectors } from "./random-vectors.js";

/** One product, timed. */
export interface BenchRow {
  readonly target: string;
  readonly rule: TypicalRule;
  /** Outputs N and inputs K. */
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
  /** Median of at least seven products. */
  readonly seconds: number;
  readonly multiplyAccumulatesPerSecond: number;
  /** Bytes of the packed linear, scales included: each product of one token reads them all. */
  readonly packedBytes: number;
  readonly packedBytesPerSecond: number;
  /** Time that the bytes take at the machine's read bandwidth, over the time taken; null on the reference path. */
  readonly ofReadBandwidth: number | null;
  /** Multiply-accumulates a second over those of the INT8 dot-product instruction: tables can go above 1. */
  readonly ofDotProducts: number | null;
}

export interface BenchResult {
  readonly path: string;
  readonly threads: number;
  readonly limits: MachineLimits | null;
  readonly rows: readonly BenchRow[];
}

export interface BenchOptions {
  readonly targets: readonly Target[];
  /** `[N, K]` each. */
  readonly shapes: readonly (readonly [rows: number, columns: number])[];
  readonly tokens: readonly number[];
  readonly kernels: Kernels;
  readonly onProgress?: OnProgress;
}

/** Weights of one-token products rotate through this much memory, so that they come from there and not from a cache. */
const rotatedBytes = 192 * 2 ** 20;
const mostCopies = 256;
const leastProducts = 7;
const leastMilliseconds = 700;

/**
 * Times the engine on packs of random weights, and the machine's limits in the same run.
 * @throws LuthierError or RangeError when a target does not take the rule or the shape.
 */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const { kernels, tokens, onProgress = () => {} } = options;
  const limits = await measureLimits(kernels);
  const jobs = options.targets.flatMap((target) => options.shapes.map((shape) => ({ target, shape })));
  const rows: BenchRow[] = [];
  for (const [done, { target, shape }] of jobs.entries()) {
    onProgress({ stage: "bench", done, total: jobs.length, what: `${target.name} ${shape.join(" × ")}` });
    const rule = target.typical;
    const packed = await packRandom(target, rule, shape, kernels);
    for (const count of tokens) {
      const seconds = await timeProducts(target, packed, count, kernels);
      if (seconds !== null) rows.push(rowOf(target, rule, packed, count, seconds, limits));
    }
  }
  onProgress({ stage: "bench", done: jobs.length, total: jobs.length, what: "" });
  return { path: kernels.path, threads: kernels.threads, limits, rows };
}

async function packRandom(
  target: Target,
  rule: TypicalRule,
  [rows, columns]: readonly [number, number],
  kernels: Kernels,
): Promise<PackedLinear> {
  const scheme = await randomScheme(rule.quantize as QuantizeChoice, rows, columns, kernels);
  return target.pack(scheme, target.parameters.parse({}), undefined, rule.activation);
}

async function randomScheme(
  choice: QuantizeChoice,
  rows: number,
  columns: number,
  kernels: Kernels,
): Promise<WeightScheme> {
  const calibrated = calibratedQuantizerOf(choice);
  const { method: _, ...chosen } = choice;
  if (calibrated) {
    // There is no model to fit to, and the speed of vectors does not depend on what they are.
    const { quantizer } = calibrated;
    const outline = quantizer.outline({ rows, columns, attention: null }, quantizer.options.parse(chosen));
    if (outline.scheme === "vectors") return randomVectors(outline);
    throw new RangeError(`${choice.method} gives no vectors`);
  }
  const { quantizer } = quantizerOf(choice);
  const weight = matrix(rows, columns, randomValues(rows * columns, 0.02));
  return quantizer.quantize(weight, quantizer.options.parse(chosen), kernels);
}

/** Median seconds; null for a format whose weights are multiplied in float, which is not the engine's work. */
async function timeProducts(
  target: Target,
  packed: PackedLinear,
  tokens: number,
  kernels: Kernels,
): Promise<number | null> {
  const copies = tokens === 1 ? Math.min(mostCopies, Math.ceil(rotatedBytes / bytesOf(packed))) : 1;
  const products: ((input: Matrix) => Promise<Matrix>)[] = [];
  for (let i = 0; i < copies; i++) {
    const arithmetic = target.open(copyOf(packed), kernels);
    if (!("multiply" in arithmetic)) return null;
    products.push(arithmetic.multiply);
  }
  const { columns } = packed.weight;
  const input = matrix(tokens, columns, randomValues(tokens * columns, 1));
  for (const multiply of products) await multiply(input);
  const milliseconds: number[] = [];
  const until = performance.now() + leastMilliseconds;
  for (let i = 0; milliseconds.length < leastProducts || performance.now() < until; i++) {
    const start = performance.now();
    await products[i % copies](input);
    milliseconds.push(performance.now() - start);
  }
  return milliseconds.sort((a, b) => a - b)[milliseconds.length >> 1] / 1000;
}

function rowOf(
  target: Target,
  rule: TypicalRule,
  packed: PackedLinear,
  tokens: number,
  seconds: number,
  limits: MachineLimits | null,
): BenchRow {
  const { rows, columns } = packed.weight;
  const packedBytes = bytesOf(packed);
  const multiplyAccumulatesPerSecond = (rows * columns * tokens) / seconds;
  const packedBytesPerSecond = packedBytes / seconds;
  return {
    target: target.name,
    rule,
    rows,
    columns,
    tokens,
    seconds,
    multiplyAccumulatesPerSecond,
    packedBytes,
    packedBytesPerSecond,
    ofReadBandwidth: limits && packedBytesPerSecond / limits.readBytesPerSecond,
    ofDotProducts: limits && multiplyAccumulatesPerSecond / limits.dotProductsPerSecond,
  };
}

function bytesOf({ tensors }: PackedLinear): number {
  return Object.values(tensors).reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function copyOf(packed: PackedLinear): PackedLinear {
  const tensors = Object.entries(packed.tensors).map(
    ([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }] as const,
  );
  return { ...packed, tensors: Object.fromEntries(tensors) };
}

/** Sums of four uniform numbers, nearly normal with the given standard deviation; the same at every call. */
function randomValues(count: number, deviation: number): Float32Array {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const scale = deviation * Math.sqrt(3);
  return Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform() + uniform()) * scale);
}
