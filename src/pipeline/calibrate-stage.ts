import path from "node:path";
import { makeFolder } from "../checkpoint/atomic.js";
import { rememberedTensors } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ModelDescription } from "../model/architecture.js";
import { findArchitecture } from "../model/architectures/registry.js";
import { type Batch, batchesOf } from "../model/batches.js";
import { embed } from "../model/embedding.js";
import { openRotatingExecutor } from "../model/executors/rotating.js";
import { type Ops, openOps } from "../model/ops.js";
import type { Spill } from "../model/spill.js";
import { type SteppedBlock, stepThrough } from "../model/stepping.js";
import { MeanOfTokens } from "../quantizers/bias-correction.js";
import type { ChosenRows } from "../quantizers/calibrated-quantizer.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import type { Matrix } from "../tensor/matrix.js";
import { openBlockProducts, type Products } from "./block-products.js";
import { readsText } from "./calibration-needs.js";
import { byChoice, fitLinears, type WatchedInputs } from "./fit-linears.js";
import type { PlannedLinear } from "./plan.js";
import type { OnProgress } from "./progress.js";
import { type QuantizedEntry, quantizedFolder } from "./quantized-files.js";

export interface CalibrationOptions {
  readonly run: string;
  readonly checkpoint: DequantizedCheckpoint;
  readonly description: ModelDescription;
  readonly planned: readonly PlannedLinear[];
  /** Equally long windows of the calibration text. */
  readonly windows: readonly Int32Array[];
  readonly seed: number;
  /** Rows that linears of one rule were chosen for against each other. */
  readonly chosenRows: ChosenRows;
  /** Where what waits is kept; in memory without it. */
  readonly spill?: Spill;
  readonly kernels: Kernels;
  readonly onProgress: OnProgress;
}

/**
 * Quantizes the linears whose methods are fitted to calibration text, and measures inputs that have one scale for
 * everything, block after block: the text goes through the float
 * model and through the model as it is quantized so far, side by side, and stops before each input. Linears that an
 * earlier process finished are taken from their files.
 *
 * All windows wait at one place of a block, in memory or where `spill` keeps them: the input there `[tokens, K]` as the quantized model has it, that of
 * the place before as the float model has it, and both residual streams.
 */
export async function quantizeOnCalibration(options: CalibrationOptions): Promise<readonly QuantizedEntry[]> {
  const { run, checkpoint, description, planned, windows, spill, kernels, onProgress } = options;
  await makeFolder(path.join(quantizedFolder(run), "linears"));
  const fitted = planned.filter(readsText);
  const waiting = new Set(fitted.map(({ linear }) => linear.name));
  const entries: QuantizedEntry[] = [];
  const progress = (what: string) =>
    onProgress({ stage: "fit", done: entries.length, total: fitted.length, what });
  const ops = openOps({ threads: kernels.threads });
  try {
    const batches = batchesOf(windows);
    const embedded: Matrix[] = [];
    const parts = { config: checkpoint.config, description, source: checkpoint, ops, kernels };
    for (const batch of batches) embedded.push(keptBy(spill, await embed(batch, parts)));
    let [float, quantized] = [embedded, [...embedded]];
    for (const [index, linears] of description.blocks.entries()) {
      if (waiting.size === 0) break; // later blocks have nothing to fit
      spill?.nextBlock();
      const products = await openBlockProducts(options, linears, ops);
      const open = await blockOpener(options, index, ops);
      const block: BlockInStep = {
        lastLinear: linears[linears.length - 1].name,
        float: await start(open, batches, float),
        quantized: await start(open, batches, quantized),
      };
      for (let place = placeOf(block); place !== null; place = placeOf(block)) {
        const names = place.filter((name) => waiting.delete(name));
        progress(names[0] ?? place[0]);
        const floatInputs = stepFloat(block, place, products.float);
        if (names.length > 0) {
          const fits = byChoice(fitted.filter(({ linear }) => names.includes(linear.name)));
          const inputs = watched(block.quantized.map(inputOf), floatInputs, {
            length: windows[0].length,
            meanWanted: aimsAtFloat(planned, names),
            several: fits.length > 1,
          });
          entries.push(...(await fitLinears(options, names, inputs, products)));
        }
        for await (const _ of floatInputs); // those that no fit has asked for
        for (const each of block.quantized) await each.resume(await products.quantized(place, inputOf(each)));
      }
      float = block.float.map((each) => keptBy(spill, resultOf(each)));
      quantized = block.quantized.map((each) => keptBy(spill, resultOf(each)));
    }
    progress("");
    return entries;
  } finally {
    await ops.close();
  }
}

/** All batches of both models, each waiting at a place of one block. */
interface BlockInStep {
  /** The linear that the block ends with. */
  readonly lastLinear: string;
  readonly float: readonly SteppedBlock[];
  readonly quantized: readonly SteppedBlock[];
}

type OpenStepped = (hidden: Matrix, length: number) => Promise<SteppedBlock>;

/** Starts block `index` on a batch; its norms are read once. Inputs that are rotated wait as they are then. */
async function blockOpener(
  { checkpoint, kernels, spill }: CalibrationOptions,
  index: number,
  computing: Ops,
): Promise<OpenStepped> {
  const ops = keepingSums(computing, spill);
  const architecture = findArchitecture(checkpoint.config);
  const { config } = checkpoint;
  const tensors = rememberedTensors(checkpoint, kernels);
  const rotationOf = (linear: string) => checkpoint.rotations?.get(linear) ?? null;
  return (hidden, length) =>
    stepThrough(
      (waiting) => {
        const executor = openRotatingExecutor(waiting, rotationOf, kernels);
        return architecture.openBlock(index, { config, executor, ops, ...tensors });
      },
      hidden,
      length,
      (input) => keptBy(spill, input),
    );
}

function keptBy(spill: Spill | undefined, states: Matrix): Matrix {
  return spill?.keep(states) ?? states;
}

/** Operations whose results a block holds while it waits: the residual stream, which in some families comes out of a norm. */
function keepingSums(ops: Ops, spill: Spill | undefined): Ops {
  if (spill === undefined) return ops;
  return {
    ...ops,
    add: async (a, b) => spill.keep(await ops.add(a, b)),
    layerNorm: async (...input) => spill.keep(await ops.layerNorm(...input)),
  };
}

/** @param hidden is emptied: the block keeps what it needs, and lets it go in time. */
async function start(
  open: OpenStepped,
  batches: readonly Batch[],
  hidden: Matrix[],
): Promise<readonly SteppedBlock[]> {
  const stepped: SteppedBlock[] = [];
  const inTurn = hidden.splice(0).reverse();
  for (const { length } of batches) stepped.push(await open(inTurn.pop() as Matrix, length));
  return stepped;
}

/** The linears that the quantized model waits at; null at the end of the block. */
function placeOf({ quantized }: BlockInStep): readonly string[] | null {
  return quantized[0].waiting?.linears ?? null;
}

/**
 * The float model's inputs at a place, batch by batch: each batch is computed from the place before when its input is
 * asked for. After the block's last place, where inputs are widest, it goes on to the end at once.
 */
async function* stepFloat(
  { float, lastLinear }: BlockInStep,
  place: readonly string[],
  products: Products,
): AsyncGenerator<Matrix> {
  for (const each of float) {
    const { linears } = waitingOf(each);
    if (linears[0] !== place[0]) await each.resume(await products(linears, inputOf(each)));
    yield inputOf(each);
    if (place.includes(lastLinear)) await each.resume(await products(place, inputOf(each)));
  }
}

/** Whether a linear gets a bias with which its outputs have the float model's mean. */
function aimsAtFloat(planned: readonly PlannedLinear[], names: readonly string[]): boolean {
  return planned.some(
    ({ linear, quantize }) => quantize?.biasCorrection === "float" && names.includes(linear.name),
  );
}

/**
 * The inputs of a place as its fits want them. Of the float model's, the mean is taken as they go by where it is wanted; where
 * there are several fits, they are kept for the next.
 */
function watched(
  quantized: readonly Matrix[],
  passing: AsyncIterable<Matrix>,
  { length, meanWanted, several }: { length: number; meanWanted: boolean; several: boolean },
): WatchedInputs {
  const mean = new MeanOfTokens(length, quantized[0].columns);
  const kept: Matrix[] = [];
  async function* float() {
    yield* kept;
    for await (const batch of passing) {
      if (meanWanted) mean.add(batch);
      if (several) kept.push(batch);
      yield batch;
    }
  }
  return {
    quantized,
    length,
    float,
    async floatMean() {
      for await (const _ of float()); // those that no fit has asked for
      return mean.value;
    },
  };
}

function waitingOf(block: SteppedBlock) {
  if (block.waiting === null) throw new RangeError("the block has ended");
  return block.waiting;
}

function inputOf(block: SteppedBlock): Matrix {
  return waitingOf(block).input;
}

function resultOf({ hidden }: SteppedBlock): Matrix {
  if (hidden === null) throw new RangeError("the block has not ended");
  return hidden;
}
