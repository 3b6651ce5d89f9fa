import type { Kernels } from "../kernels/kernels.js";
import type { Batch } from "../model/batches.js";
import type { BeforeHead } from "../model/head.js";
import type { Product } from "../pipeline/block-products.js";
import type { OnProgress } from "../pipeline/progress.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Candidate, SearchedLinear } from "./candidates.js";
import { type FittedCandidate, fitCandidates, outputError } from "./fit-candidates.js";
import type { FloatBlock, FloatBlocks } from "./float-blocks.js";
import {
  type Measured,
  readSensitivities,
  type Sensitivities,
  writeSensitivities,
} from "./sensitivity-files.js";
import { eachBatch, walkBlocks } from "./walk.js";

export interface MeasureOptions {
  readonly blocks: FloatBlocks;
  readonly searched: readonly SearchedLinear[];
  /** Of the calibration text: those that are probed come first. */
  readonly batches: readonly Batch[];
  /** How many of them errors and divergences are measured on; what is fitted to text is fitted to the others. */
  readonly probed: number;
  readonly seed: number;
  readonly kernels: Kernels;
  /** Where what is measured is kept. */
  readonly folder: string;
  /** The hash of what it follows from, the linears and candidates aside. */
  readonly madeFrom: string;
  readonly onProgress: OnProgress;
}

/**
 * For every linear the output error of each candidate, and for two of them how far the whole model's distributions move
 * when that linear alone is so: the coarsest, and one in the middle.
 *
 * The text goes through the float model once. A probe restarts from the hidden states before its block; all probes of a
 * block go through the later blocks together, so that each is loaded once for them.
 */
export async function measureSensitivities(options: MeasureOptions): Promise<Sensitivities> {
  const { blocks, searched, batches, folder, madeFrom, onProgress } = options;
  const indexes = [...blocks.description.blocks.keys()];
  const known = new Map<number, Sensitivities>();
  for (const index of indexes) known.set(index, await readSensitivities(folder, index, madeFrom));
  const ofBlock = (index: number) => {
    const names = new Set(blocks.description.blocks[index].map(({ name }) => name));
    return searched.filter(({ linear }) => names.has(linear.name));
  };
  const isWanted = (index: number) => !ofBlock(index).every((each) => isComplete(each, known.get(index)));
  const wanted = indexes.filter(isWanted);
  const tell = (done: number, what: string) =>
    onProgress({ stage: "sensitivities", done, total: wanted.length, what });
  if (wanted.length > 0) {
    const reference = await blocks.beforeHead(await walkBlocks(blocks, batches.slice(0, options.probed)));
    let probing = new Probing(options, reference);
    tell(0, "");
    await walkBlocks(blocks, batches, {
      wants: isWanted,
      async place(block, linears, inputs) {
        const here = searched.filter(({ linear }) => linears.includes(linear.name));
        await probing.measure(block, here, inputs, Object.assign({}, ...known.values()));
      },
      async block(block, index, before) {
        const linears = await probing.finish(block, index, before);
        known.set(index, { ...known.get(index), ...linears });
        await writeSensitivities(folder, index, madeFrom, known.get(index) ?? {});
        probing = new Probing(options, reference);
        tell(wanted.indexOf(index) + 1, `block ${index}`);
      },
    });
  }
  return Object.assign({}, ...known.values());
}

/** Whether all candidates' errors are known, and the divergences of those that are probed. */
function isComplete({ linear, candidates }: SearchedLinear, known: Sensitivities = {}): boolean {
  const measured = measuredOf(candidates, known[linear.name]);
  if (measured.length < candidates.length) return false;
  const probes = probesAmong(measured);
  return measured.every(({ candidate, divergence }) => divergence !== null || !probes.includes(candidate));
}

/** What is known of these candidates. */
function measuredOf(
  candidates: readonly Candidate[],
  measured: readonly Measured[] = [],
): readonly Measured[] {
  return measured.filter(({ candidate }) => candidates.some(({ key }) => key === candidate));
}

/** The candidates that are probed: the coarsest, and one in the middle of all. */
export function probesAmong(measured: readonly Pick<Measured, "candidate" | "error">[]): readonly string[] {
  const falling = [...measured].sort((a, b) => b.error - a.error);
  const middle = falling[Math.floor(falling.length / 2)];
  return [...new Set([falling[0].candidate, middle.candidate])];
}

/** What is under way in one block. */
class Probing {
  private readonly measured: Record<string, Measured[]> = {};
  private readonly probes: Probe[] = [];

  constructor(
    private readonly options: MeasureOptions,
    private readonly reference: BeforeHead,
  ) {}

  /** Measures the errors of linears of one input, and keeps the products of what is to be probed. */
  async measure(
    block: FloatBlock,
    searched: readonly SearchedLinear[],
    inputs: readonly Matrix[],
    known: Sensitivities,
  ): Promise<void> {
    const { probed, batches } = this.options;
    const outputs = new Map<string, readonly Matrix[]>();
    for (const { linear } of searched) {
      this.measured[linear.name] = [...(known[linear.name] ?? [])];
      const products = await eachBatch(batches.slice(0, probed), (_, at) =>
        block.products([linear.name], inputs[at]),
      );
      outputs.set(linear.name, products.flat());
    }
    const missing = searched.map((each) => ({
      searched: each,
      candidates: each.candidates.filter(({ key }) => !this.find(each.linear.name, key)),
    }));
    const fitted: FittedCandidate[] = [];
    for await (const each of fitCandidates(block, missing, inputs.slice(probed), this.options)) {
      const { name } = each.searched.linear;
      const product = await productOf(block, each);
      const error = await outputError(outputs.get(name) ?? [], product, inputs, name);
      this.measured[name].push({ candidate: each.candidate.key, error, divergence: null });
      fitted.push(each);
    }
    for await (const each of this.toProbe(block, searched, fitted, inputs.slice(probed))) {
      const linear = each.searched.linear.name;
      this.probes.push({ linear, candidate: each.candidate.key, product: await productOf(block, each) });
    }
  }

  /** Probes what was kept, and gives all that was measured of the block. */
  async finish(block: FloatBlock, index: number, before: readonly Matrix[]): Promise<Sensitivities> {
    const { blocks, batches, probed } = this.options;
    const some = batches.slice(0, probed);
    const streams: (readonly Matrix[])[] = [];
    for (const { linear, product } of this.probes) {
      const replaced = new Map([[linear, product]]);
      streams.push(await eachBatch(some, ({ length }, at) => block.compute(before[at], length, replaced)));
    }
    for (let later = index + 1; later < blocks.description.blocks.length && streams.length > 0; later++) {
      const next = await blocks.enter(later);
      for (const [at, hidden] of streams.entries())
        streams[at] = await eachBatch(some, ({ length }, batch) => next.compute(hidden[batch], length));
    }
    const states: BeforeHead[] = [];
    for (const hidden of streams) states.push(await blocks.beforeHead(hidden));
    const found = await blocks.distances(this.reference, states);
    for (const [at, { linear, candidate }] of this.probes.entries()) {
      const divergence = Math.max(0, found[at].divergence); // rounding may leave less than nothing
      this.measured[linear] = this.measured[linear].map((each) =>
        each.candidate === candidate ? { ...each, divergence } : each,
      );
    }
    return this.measured;
  }

  /** What is to be probed: as it was just fitted; or again, where an earlier search knows its error alone. */
  private async *toProbe(
    block: FloatBlock,
    searched: readonly SearchedLinear[],
    fitted: readonly FittedCandidate[],
    inputs: readonly Matrix[],
  ): AsyncGenerator<FittedCandidate> {
    const again: { readonly searched: SearchedLinear; readonly candidates: readonly Candidate[] }[] = [];
    for (const each of searched) {
      const { name } = each.linear;
      const probes = probesAmong(measuredOf(each.candidates, this.measured[name]));
      const wanted = each.candidates.filter(
        ({ key }) => probes.includes(key) && this.find(name, key)?.divergence === null,
      );
      const ready = fitted.filter((one) => one.searched === each && wanted.includes(one.candidate));
      yield* ready;
      const isReady = (candidate: Candidate) => ready.some((one) => one.candidate === candidate);
      again.push({ searched: each, candidates: wanted.filter((candidate) => !isReady(candidate)) });
    }
    yield* fitCandidates(block, again, inputs, this.options);
  }

  private find(linear: string, key: string): Measured | undefined {
    return this.measured[linear].find(({ candidate }) => candidate === key);
  }
}

/** A linear as a candidate makes it, whose divergence is to be measured. */
interface Probe {
  readonly linear: string;
  readonly candidate: string;
  readonly product: Product;
}

function productOf(block: FloatBlock, { searched, candidate, scheme }: FittedCandidate): Promise<Product> {
  return block.product(searched.linear.name, scheme, candidate.planned.activation);
}
