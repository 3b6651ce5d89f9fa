import { createHash } from "node:crypto";
import { addInput, noInputs, statisticsOf } from "../calibration/input-statistics.js";
import { readMatrix, readVector, rememberedTensors } from "../checkpoint/tensors.js";
import { type LinearInfo, linearsOf } from "../model/architecture.js";
import { findArchitecture } from "../model/architectures/registry.js";
import { openFloatExecutor } from "../model/executors/float.js";
import type { QuantizeChoice } from "../recipe/schema.js";
import type { ScaleTransform } from "../transforms/transform.js";
import { doubled, timingsOf, wholeSeconds } from "./extrapolate.js";
import { batchTokens, randomInputs } from "./random-inputs.js";
import { approximationBy } from "./scale-channels.js";
import type { TimedModel } from "./time-methods.js";

/** Seconds of a block on one token of a batch, as the float model computes it. */
export async function timeToken(
  { checkpoint, description, tokens, kernels, ops, seed }: TimedModel,
  windowLength: number,
  budgetSeconds: number,
): Promise<number> {
  const [linears] = description.blocks;
  const executor = openFloatExecutor(
    linearsOf(description),
    {
      weight: async ({ tensor }) => ({
        weight: await readMatrix(checkpoint, tensor, kernels),
        keptOfInput: null,
      }),
      bias: async ({ bias }) => (bias === null ? null : readVector(checkpoint, bias, kernels)),
      activation: () => ({ scheme: "float" }),
    },
    ops,
    kernels,
  );
  await executor.enter(linears.map(({ name }) => name));
  const { config } = checkpoint;
  const tensors = rememberedTensors(checkpoint, kernels);
  const block = await findArchitecture(config).openBlock(0, { config, executor, ops, ...tensors });
  const windows = Math.max(1, Math.floor(Math.min(tokens, batchTokens) / windowLength));
  const counts = doubled(1, windows);
  const timings = await timingsOf(
    counts.map((count) => count / windows),
    "rows",
    budgetSeconds,
    async (share) => {
      const [hidden] = randomInputs(Math.round(share * windows) * windowLength, description.hiddenSize, seed);
      return () => block(hidden, windowLength);
    },
  );
  return wholeSeconds(timings, "rows") / (windows * windowLength);
}

/** Seconds of adding up what an input `[tokens, K]` is like. */
export async function timeSums(
  columns: number,
  second: boolean,
  { tokens, seed, kernels }: TimedModel,
  budgetSeconds: number,
): Promise<number> {
  const timings = await timingsOf(sharesOf(columns), "sides", budgetSeconds, async (share) => {
    const size = Math.round(share * columns);
    const batches = randomInputs(Math.max(1, Math.round(share * tokens)), size, seed);
    return async () => {
      const sums = noInputs(size, second);
      for (const batch of batches) await addInput(batch, sums, kernels);
      statisticsOf(sums);
    };
  });
  return wholeSeconds(timings, "sides");
}

export interface LinearToSearch {
  readonly linear: LinearInfo;
  readonly choice: QuantizeChoice | null;
}

/** Seconds of finding scales for the input of some linears. */
export async function timeSearch(
  transform: ScaleTransform,
  options: object,
  linears: readonly LinearToSearch[],
  { checkpoint, seed, kernels }: TimedModel,
  budgetSeconds: number,
): Promise<number> {
  const [{ columns }] = linears.map(({ linear }) => linear);
  const timings = await timingsOf(sharesOf(columns), "sides", budgetSeconds, async (share) => {
    const size = Math.round(share * columns);
    const sums = noInputs(size, transform.searches);
    for (const batch of randomInputs(64, size, seed)) await addInput(batch, sums, kernels);
    const cut = await Promise.all(
      linears.map(async ({ linear, choice }) => {
        const rows = Math.max(1, Math.round(share * linear.rows));
        const { data } = await readMatrix(checkpoint, linear.tensor, kernels, { first: 0, last: rows });
        const weight = { rows, columns: size, data: data.slice(0, rows * size) };
        return { name: linear.name, weight, approximate: choice && approximationBy(choice, kernels) };
      }),
    );
    const input = {
      linears: linears.map(({ linear }) => linear),
      madeBy: "norm",
      runs: [{ size, makers: [], firsts: [0] }],
    } as const;
    return () => transform.fit({ input, statistics: statisticsOf(sums), linears: cut }, options, kernels);
  });
  return wholeSeconds(timings, "sides");
}

/** Shares of a width that groups of the usual sizes divide. */
function sharesOf(columns: number): readonly number[] {
  const shares: number[] = [];
  for (let size = columns; size >= narrowest; size /= 2) {
    shares.unshift(size / columns);
    if (size % (2 * narrowest) !== 0) break;
  }
  return shares.length > 0 ? shares : [1];
}

const narrowest = 128;

/** Seconds of a byte that is read, from where this linear lies: from memory where it was read before. */
export async function timeReading(
  { tensor }: LinearInfo,
  checkpoint: TimedModel["checkpoint"],
  kernels: TimedModel["kernels"],
): Promise<number> {
  const started = performance.now();
  await readMatrix(checkpoint, tensor, kernels);
  return (performance.now() - started) / 1000 / (checkpoint.tensors.get(tensor)?.bytes ?? 1);
}

/** Seconds of a byte's sha256. */
export function timeHashing(): number {
  const bytes = new Uint8Array(hashedBytes);
  const started = performance.now();
  createHash("sha256").update(bytes).digest();
  return (performance.now() - started) / 1000 / hashedBytes;
}

const hashedBytes = 2 ** 23;
