import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { readMatrix } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { foldNorms } from "../transforms/fold-norms.js";
import { foldedNorms } from "../transforms/folded-norms.js";
import { addSquares, groupImportance, inputImportance } from "../transforms/importance.js";
import { orderTransforms } from "../transforms/registry.js";
import { type ChannelOrders, reorderedTensors } from "../transforms/reordered-tensors.js";
import type { OrderTransform } from "../transforms/transform.js";
import { measureHeads } from "./measure-heads.js";
import { openModelAt } from "./open-model.js";
import { readOrders, writeOrders } from "./orders-file.js";
import type { Plan } from "./plan.js";
import type { OnProgress } from "./progress.js";
import { quantizedFolder } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

export interface TransformOptions {
  readonly run: string;
  readonly checkpoint: DequantizedCheckpoint;
  readonly description: ModelDescription;
  readonly plan: Plan;
  /** Equally long windows of the calibration text. */
  readonly windows: readonly Int32Array[];
  readonly kernels: Kernels;
  readonly onProgress: OnProgress;
}

export interface TransformedCheckpoint {
  /** Its tensors are folded and put in order as they are read. */
  readonly checkpoint: DequantizedCheckpoint;
  /** What the run keeps of the transforms. */
  readonly files: readonly FileEntry[];
}

/**
 * Makes the plan's transforms of a checkpoint. The calibration text goes through its float model, block after block, for
 * the scales of heads and for the orders of channels. Orders are written; those that an earlier process wrote are taken
 * instead.
 */
export async function transformCheckpoint(options: TransformOptions): Promise<TransformedCheckpoint> {
  const { run, description, plan } = options;
  const folded = foldsNorms(plan)
    ? foldedNorms(options.checkpoint, description, await measureHeads(options), options.kernels)
    : options.checkpoint;
  if (orderTransforms(namesOf(plan)).length === 0) return { checkpoint: folded, files: [] };
  // What channels matter is the same before and after folding.
  const { orders, file } = (await readOrders(run, description.channels)) ?? (await makeOrders(options));
  const { read } = reorderedTensors(folded, description.channels, orders);
  return { checkpoint: { ...folded, read }, files: [file] };
}

/** Whether the transforms of a plan or recipe leave norms without weights. */
export function foldsNorms(chosen: Pick<Plan, "transforms">): boolean {
  return namesOf(chosen).includes(foldNorms.name);
}

function namesOf({ transforms }: Pick<Plan, "transforms">): readonly string[] {
  return transforms.map(({ transform }) => transform);
}

async function makeOrders(options: TransformOptions) {
  const { run, description, plan } = options;
  // What was quantized in orders that are lost is of no use.
  await rm(path.join(quantizedFolder(run), "linears"), { recursive: true, force: true });
  await mkdir(quantizedFolder(run), { recursive: true });
  const importances = await importancesOfInputs(options);
  const orders: ChannelOrders = new Map(
    description.channels.map((group) => {
      const importance = groupImportance(group, importances);
      return [group.name, orderBy(orderTransforms(namesOf(plan)), importance)];
    }),
  );
  return writeOrders(run, orders);
}

/** One transform after another, each on the channels as the one before left them. */
function orderBy(transforms: readonly OrderTransform[], importance: Float64Array): Uint32Array {
  let order = Uint32Array.from(importance.keys());
  for (const transform of transforms) {
    const next = transform.order(Float64Array.from(order, (channel) => importance[channel]));
    order = next.map((at) => order[at]);
  }
  return order;
}

/** An input of some linears that are to be quantized. */
interface ObservedInput {
  readonly linears: readonly LinearInfo[];
  /** Of each channel, `[K]`. */
  readonly squares: Float64Array;
}

/**
 * The importance of the channels of every input in the blocks, by the tensor of the first linear that it is quantized
 * for.
 */
async function importancesOfInputs({
  checkpoint,
  plan,
  windows,
  kernels,
  onProgress,
}: TransformOptions): Promise<ReadonlyMap<string, Float64Array>> {
  const quantized = new Map(
    plan.linears.flatMap(({ linear, quantize }) => (quantize ? [[linear.name, linear]] : [])),
  );
  const inputs = new Map<string, ObservedInput>();
  const opened = await openModelAt({
    path: checkpoint.directory,
    engine: "float",
    kernels,
    observe(names, input) {
      const linears = names.flatMap((name) => quantized.get(name) ?? []);
      if (linears.length === 0) return;
      const [{ tensor }] = linears;
      const seen = inputs.get(tensor) ?? { linears, squares: new Float64Array(input.columns) };
      addSquares(input, seen.squares);
      inputs.set(tensor, seen);
    },
  });
  try {
    await opened.model.run(windows, (done, total) =>
      onProgress({ stage: "transform", done, total, what: "" }),
    );
  } finally {
    await opened.close();
  }
  const importances = new Map<string, Float64Array>();
  for (const [tensor, { linears, squares }] of inputs) {
    expectFinite(squares, linears[0]);
    const weights = new Float64Array(squares.length);
    for (const linear of linears) addSquares(await readMatrix(checkpoint, linear.tensor, kernels), weights);
    importances.set(tensor, inputImportance(squares, weights));
  }
  return importances;
}

function expectFinite(squares: Float64Array, { name }: LinearInfo): void {
  const channel = squares.findIndex((square) => !Number.isFinite(square));
  if (channel < 0) return;
  throw new LuthierError(
    `on the calibration text the input of ${name} is not finite at channel ${channel}`,
    "check that the checkpoint is whole: the model computes NaN or infinity",
  );
}
