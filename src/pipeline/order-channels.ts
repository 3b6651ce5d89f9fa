import { readMatrix } from "../checkpoint/tensors.js";
import type { ModelDescription } from "../model/architecture.js";
import { addSquares, groupImportance, inputImportance } from "../transforms/importance.js";
import { type ChannelOrders, reorderedTensors } from "../transforms/reordered-tensors.js";
import type { OrderTransform } from "../transforms/transform.js";
import { readOrders, writeOrders } from "./orders-file.js";
import { describeCheckpoint } from "./plan-checkpoint.js";
import { deleteSchemes } from "./quantized-files.js";
import { measureInputs } from "./statistics-stage.js";
import type { TransformedCheckpoint, TransformOptions } from "./transform-stage.js";

/** Puts the channels of a checkpoint in the order of a transform; that of an earlier process is taken where it is sound. */
export async function orderChannels(
  transform: OrderTransform,
  options: TransformOptions,
): Promise<TransformedCheckpoint> {
  const { run, checkpoint } = options;
  const description = describeCheckpoint(checkpoint);
  const stored = await readOrders(run, description.channels);
  const { orders, file } = stored ?? (await makeOrders(transform, description, options));
  const { read } = reorderedTensors(checkpoint, description.channels, orders);
  return { checkpoint: { ...checkpoint, read }, files: [file] };
}

async function makeOrders(
  transform: OrderTransform,
  description: ModelDescription,
  options: TransformOptions,
) {
  const { run } = options;
  await deleteSchemes(run);
  const importances = await importancesOfInputs(description, options);
  const orders: ChannelOrders = new Map(
    description.channels.map((group) => [group.name, transform.order(groupImportance(group, importances))]),
  );
  return writeOrders(run, orders);
}

/** The importance of the channels of every input in the blocks, by the tensor of the first linear that it is quantized for. */
async function importancesOfInputs(
  { blocks }: ModelDescription,
  options: TransformOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const { checkpoint, plan, kernels } = options;
  const inBlocks = new Set(blocks.flat().map(({ name }) => name));
  const tensors = new Map(
    plan.linears.flatMap(({ linear: { name, tensor }, quantize }) =>
      quantize && inBlocks.has(name) ? [[name, tensor]] : [],
    ),
  );
  const statistics = await measureInputs(options, { linears: [...tensors.keys()], second: false });
  const importances = new Map<string, Float64Array>();
  for (const linears of statistics.inputs) {
    const { meanSquare } = await statistics.of(linears[0]);
    const weights = new Float64Array(meanSquare.length);
    const quantized = linears.flatMap((linear) => tensors.get(linear) ?? []);
    for (const tensor of quantized) addSquares(await readMatrix(checkpoint, tensor, kernels), weights);
    importances.set(quantized[0], inputImportance(meanSquare, weights));
  }
  return importances;
}
